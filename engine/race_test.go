//go:build race

package engine_test

// versions are the CRM versions that every rule is tested on. Goroutines do not depend on them, and under the race detector
// everything takes several times as long: one of them is enough.
var versions = []string{"5.2.1"}
