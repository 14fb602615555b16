package cli

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The layers of docs/ARCHITECTURE.md. A package may import of this module only what stands here; a folder below it
// inherits the line unless it has its own.
var layers = map[string][]string{
	"problem":               {},
	"fault":                 {"problem"},
	"store":                 {"problem"},
	"psapi":                 {"problem"},
	"vtigerws":              {"problem"},
	"psapi/psapitest":       {"problem", "fault", "psapi"},
	"vtigerws/vtigerwstest": {"problem", "fault", "vtigerws"},
	"engine":                {"problem", "store", "psapi", "vtigerws"},
	"ui/text":               {},
	"ui/term":               {},
	"ui/console":            {"problem", "store", "engine", "ui/term", "ui/text"},
	"ui/cli":                {"problem", "store", "engine", "ui/console", "ui/term", "ui/text", "fault", "psapi/psapitest", "vtigerws/vtigerwstest", "vtigerws/module"},
	".":                     {"ui/cli"},
}

// Only these know that there is a screen.
var (
	screenPackages = []string{"github.com/charmbracelet/bubbletea", "github.com/charmbracelet/bubbles", "github.com/charmbracelet/lipgloss"}
	screenLayers   = []string{"ui/console", "ui/term"}
)

func TestLayers(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := 0
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && file != root) {
			return filepath.SkipDir
		}
		// Tests may reach across: the engine's need the simulators.
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		folder := path.Dir(filepath.ToSlash(rel))
		layer, known := layerOf(folder)
		if !known {
			t.Errorf("%s belongs to no layer", folder)
			return nil
		}
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range source.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			seen++
			if own, ours := strings.CutPrefix(name, "cartiger/"); ours && own != layer && !slices.Contains(layers[layer], own) {
				t.Errorf("%s imports %s: %s may import only %v", rel, name, layer, layers[layer])
			}
			for _, screen := range screenPackages {
				if (name == screen || strings.HasPrefix(name, screen+"/")) && !slices.Contains(screenLayers, layer) {
					t.Errorf("%s imports %s: only %v may", rel, name, screenLayers)
				}
			}
			if strings.Contains(name, "go-sqlite3") && layer != "store" {
				t.Errorf("%s imports %s: only store may", rel, name)
			}
			if (name == "net/http" || strings.Contains(name, "resty")) && (layer == "engine" || layer == "store" || layer == "ui/console") {
				t.Errorf("%s imports %s: only the clients and simulators speak HTTP", rel, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 100 {
		t.Fatalf("only %d imports were read", seen)
	}
}

// layerOf finds the line for a folder: its own or that of the nearest folder above.
func layerOf(folder string) (string, bool) {
	for ; ; folder = path.Dir(folder) {
		if _, ok := layers[folder]; ok {
			return folder, true
		}
		if folder == "." {
			return "", false
		}
	}
}
