//go:build race

package engine_test

// versions are the CRM versions that every rule is tested on. Goroutines do not depend on them, and under the race detector
// everything takes several times as long: the two ways of writing lines are enough.
var versions = []string{"5.2.1", "6.4.0"}
