package interop

import (
	"errors"
	"testing"
)

// chromium is Debian's Chromium, headless, driven by its DevTools protocol.
type chromium struct {
	*remote
	session string
}

// startChromium starts it with a profile of its own. It trusts the key of the certificate with that hash
// (base64 of SHA-256 of the SubjectPublicKeyInfo) and nothing else that it would not trust anyway, and it
// finds no host but this one.
func startChromium(t *testing.T, spki string) browser {
	t.Helper()
	profile := t.TempDir()
	p := start(t, command(t, "chromium",
		"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-breakpad",
		"--no-first-run", "--disable-extensions", "--disable-sync", "--disable-background-networking",
		"--disable-component-update", "--disable-default-apps", "--window-size=800,600",
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
		"--ignore-certificate-errors-spki-list="+spki,
		"--user-data-dir="+profile, "--remote-debugging-port=0", "about:blank"))
	c := &chromium{remote: dialRemote(t, p.says(t, `DevTools listening on (ws://\S+)`)[1])}
	t.Cleanup(func() {
		c.call("", "Browser.close", struct{}{}, nil) // so that it leaves its profile alone
		<-p.exited
	})
	var target struct {
		TargetID string `json:"targetId"`
	}
	if err := c.call("", "Target.createTarget", map[string]any{"url": "about:blank"}, &target); err != nil {
		t.Fatal(err)
	}
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	err := c.call("", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	if err != nil {
		t.Fatal(err)
	}
	c.session = attached.SessionID
	return c
}

func (c *chromium) navigate(url string) error {
	var page struct {
		ErrorText string `json:"errorText"`
	}
	if err := c.call(c.session, "Page.navigate", map[string]any{"url": url}, &page); err != nil {
		return err
	}
	if page.ErrorText != "" {
		return errors.New(page.ErrorText)
	}
	_, err := c.evaluate(`new Promise((loaded) => {
		if (document.readyState === 'complete') loaded('');
		else addEventListener('load', () => loaded(''));
	})`)
	return err
}

func (c *chromium) evaluate(expression string) (string, error) {
	var answer struct {
		Result           struct{ Value string }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	err := c.call(c.session, "Runtime.evaluate",
		map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &answer)
	if e := answer.ExceptionDetails; e != nil {
		err = errors.New(e.Text + " " + e.Exception.Description)
	}
	return answer.Result.Value, err
}

func (c *chromium) screenshot() ([]byte, error) {
	var picture struct{ Data []byte } // base64
	err := c.call(c.session, "Page.captureScreenshot", map[string]any{"format": "png"}, &picture)
	return picture.Data, err
}
