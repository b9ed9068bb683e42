package interop

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// firefox is Debian's Firefox ESR, headless, driven by WebDriver BiDi.
type firefox struct {
	*remote
	context string
}

// firefoxPreferences keep it from asking anything and from calling home.
const firefoxPreferences = `
user_pref("app.normandy.enabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("browser.safebrowsing.downloads.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,#remote-settings-dummy/v1");
user_pref("toolkit.telemetry.server", "");
`

// startFirefox starts it with a profile of its own, in which every certificate is good.
func startFirefox(t *testing.T) browser {
	t.Helper()
	profile := t.TempDir()
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(firefoxPreferences), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, "firefox-esr", "--headless", "--no-remote", "--profile", profile,
		"--remote-debugging-port", "0", "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+profile, "MOZ_CRASHREPORTER_DISABLE=1")
	p := start(t, cmd)
	f := &firefox{remote: dialRemote(t, p.says(t, `WebDriver BiDi listening on (ws://\S+)`)[1]+"/session")}
	t.Cleanup(func() {
		f.call("", "browser.close", struct{}{}, nil) // so that it leaves its profile alone
		<-p.exited
	})
	capabilities := map[string]any{"alwaysMatch": map[string]any{"acceptInsecureCerts": true}}
	if err := f.call("", "session.new", map[string]any{"capabilities": capabilities}, nil); err != nil {
		t.Fatal(err)
	}
	var tree struct {
		Contexts []struct{ Context string }
	}
	if err := f.call("", "browsingContext.getTree", struct{}{}, &tree); err != nil || len(tree.Contexts) == 0 {
		t.Fatalf("no window: %v", err)
	}
	f.context = tree.Contexts[0].Context
	return f
}

func (f *firefox) navigate(url string) error {
	return f.call("", "browsingContext.navigate", map[string]any{"context": f.context, "url": url, "wait": "complete"}, nil)
}

func (f *firefox) evaluate(expression string) (string, error) {
	var answer struct {
		Result           struct{ Value string }
		ExceptionDetails *struct{ Text string }
	}
	err := f.call("", "script.evaluate", map[string]any{
		"expression": expression, "awaitPromise": true, "target": map[string]any{"context": f.context},
	}, &answer)
	if e := answer.ExceptionDetails; e != nil {
		err = errors.New(e.Text)
	}
	return answer.Result.Value, err
}

func (f *firefox) screenshot() ([]byte, error) {
	var picture struct{ Data []byte } // base64
	err := f.call("", "browsingContext.captureScreenshot", map[string]any{"context": f.context}, &picture)
	return picture.Data, err
}
