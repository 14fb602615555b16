//go:build !race

package engine_test

// versions are the CRM versions that every rule is tested on.
var versions = []string{"5.1.0", "5.2.1", "5.4.0", "6.4.0"}
