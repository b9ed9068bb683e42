package attack

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The engine's own table of what it answers knows every attack, and no other.
func TestEngineAnswersEachAttack(t *testing.T) {
	table, err := os.ReadFile("../../engine/attacks.go")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, named := range regexp.MustCompile(`\b[a-z_]+/(?:\*|[a-zA-Z0-9^-]+)`).FindAllString(string(table), -1) {
		family, all := strings.CutSuffix(named, "*")
		found := false
		for _, name := range Names() {
			if name == named || all && strings.HasPrefix(name, family) {
				known[name], found = true, true
			}
		}
		if !found {
			t.Errorf("there is no attack %s", named)
		}
	}
	for _, name := range Names() {
		if !known[name] {
			t.Errorf("the table does not name %s", name)
		}
	}
}
