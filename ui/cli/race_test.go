//go:build race

package cli

// raceDetector says that the program under test is several times slower than a user's.
const raceDetector = true
