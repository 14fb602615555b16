package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cartiger/problem"
)

// keyFiles are where the two keys may lie besides their variables: a file named by a variable, and a systemd credential.
// Both keep the key out of unit files and out of the environment that every child inherits (rules.md 9.7).
var keyFiles = []struct{ variable, file, credential string }{
	{"CARTIGER_SHOP_KEY", "CARTIGER_SHOP_KEY_FILE", "shop-key"},
	{"CARTIGER_CRM_KEY", "CARTIGER_CRM_KEY_FILE", "crm-key"},
}

// maxKey bounds a key file: whatever is longer is the wrong file.
const maxKey = 4 << 10

// withKeyFiles is the environment with the keys that lie in files. A variable wins over its file, a named file over a
// credential.
func (p *Program) withKeyFiles() (func(string) string, error) {
	keys := map[string]string{}
	for _, k := range keyFiles {
		if p.Environ(k.variable) != "" {
			continue
		}
		path, named := p.Environ(k.file), true
		if path == "" {
			dir := p.Environ("CREDENTIALS_DIRECTORY")
			if dir == "" {
				continue
			}
			path, named = filepath.Join(dir, k.credential), false
		}
		key, err := readKey(path)
		// A service may be given one credential and not the other; a file that somebody has named must be there.
		if !named && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, &problem.Error{
				Kind: problem.Invalid, Where: k.file, Code: "setting", Field: k.file, Message: "the key file cannot be read: " + err.Error(),
				Cure: "Name a file with nothing but the key in it, readable by this user.", Cause: err,
			}
		}
		keys[k.variable] = key
	}
	return func(name string) string {
		if v, ok := keys[name]; ok {
			return v
		}
		return p.Environ(name)
	}, nil
}

func readKey(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	// One byte more than is allowed, else a longer file would look like one that just fits.
	data, err := io.ReadAll(io.LimitReader(f, maxKey+1))
	key := strings.TrimSpace(string(data))
	switch {
	case err != nil:
		return "", err
	case len(data) > maxKey:
		return "", errors.New("it is longer than any key")
	case key == "":
		return "", errors.New("it is empty")
	}
	return key, nil
}
