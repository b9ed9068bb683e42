package interop

import (
	"encoding/json"
	"os"
	"testing"
)

// A browser shows one page.
type browser interface {
	// navigate loads a page and waits until it is there.
	navigate(url string) error
	// evaluate runs a JavaScript expression that gives a promise of a string, and waits for it.
	evaluate(expression string) (string, error)
	// screenshot returns the page as PNG.
	screenshot() ([]byte, error)
}

// eval waits for the value of an expression in the page, which may be a promise.
func eval(t *testing.T, b browser, expression string, value any) {
	t.Helper()
	text, err := b.evaluate("(async () => JSON.stringify((await (" + expression + ")) ?? null))()")
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	if err := json.Unmarshal([]byte(text), value); err != nil {
		t.Fatalf("%s is %s: %v", expression, text, err)
	}
}

// saveScreenshot leaves a picture of the page, if somebody wants to look at it.
func saveScreenshot(t *testing.T, b browser) {
	if outFolder == "" {
		return
	}
	png, err := b.screenshot()
	if err == nil {
		err = os.WriteFile(outFile(t, ".png"), png, 0o644)
	}
	if err != nil {
		t.Errorf("screenshot: %v", err)
	}
}
