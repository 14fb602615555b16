package cli

import (
	"errors"
	"fmt"
	"syscall"

	"cartiger/problem"
	"cartiger/ui/console"
	"cartiger/ui/text"
)

// The exit codes. They are a contract: scripts depend on them.
const (
	exitDone       = 0
	exitFailed     = 1
	exitUsage      = 2
	exitTroubled   = 3   // finished, with held or failed records
	exitIncomplete = 4   // settings are missing
	exitConnect    = 5   // cannot connect or log in
	exitBusy       = 11  // another process holds the run
	exitSignal     = 128 // and the signal's number, as shells count
)

// misuse is an error in what the person typed: exit code 2, whatever the kind of the problem inside.
type misuse struct{ error }

func (m misuse) Unwrap() error { return m.error }

// ended is the end of a command that has said everything: only its exit code is left to give. It goes up as an error,
// because os.Exit on the spot would skip what is deferred: closing the state file, removing the demo's folder.
type ended int

func (e ended) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// typed marks an error about a value that the person has typed as wrong usage. A value that is missing is none: a script
// must be able to tell "not set up yet" (4) from a slip (2).
func typed(err error) error {
	if trouble, ok := problem.Of(err); ok && (trouble.Kind == problem.Invalid || trouble.Kind == problem.NotFound) && trouble.Code != "incomplete" {
		return misuse{err}
	}
	return err
}

// exitCode is the exit code of an error.
func exitCode(err error) int {
	var (
		code   ended
		signal console.Signalled
		wrong  misuse
	)
	// Wrong usage goes before the kinds: it wraps a problem whose kind has a code of its own.
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &signal):
		if s, ok := signal.Signal.(syscall.Signal); ok {
			return exitSignal + int(s)
		}
		return exitFailed
	case errors.As(err, &wrong):
		return exitUsage
	}
	trouble, _ := problem.Of(err)
	switch kind := problem.KindOf(err); {
	case kind == problem.Invalid && trouble.Code == "incomplete":
		return exitIncomplete
	case kind == problem.Invalid && trouble.Code == "setting":
		return exitUsage // a value in the environment: those in the state file were checked
	case kind == problem.Conflict && trouble.Code == "lease":
		return exitBusy
	case kind == problem.Unauthorised, kind == problem.Unavailable, kind == problem.RateLimited:
		return exitConnect
	}
	return exitFailed
}

// complaint is an error as --json shows it, on stderr, so that whoever reads results never meets one. Kind and code are
// for programs, message and cure for people.
type complaint struct {
	Type    string `json:"type"` // "error"
	Kind    string `json:"kind"`
	Code    string `json:"code,omitempty"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
	Cure    string `json:"cure,omitempty"`
	Exit    int    `json:"exit"`
}

func complaintOf(err error) complaint {
	c := complaint{Type: "error", Kind: string(problem.KindOf(err)), Message: err.Error(), Exit: exitCode(err)}
	if trouble, ok := problem.Of(err); ok {
		c.Code, c.Field, c.Message, c.Cure = trouble.Code, trouble.Field, trouble.Words(), trouble.Cure
	}
	// A file that exists, an id that nobody has: whatever it is to us, to the caller it is a value to change.
	if c.Exit == exitUsage {
		c.Kind = string(problem.Invalid)
		if c.Cure == "" {
			c.Cure = "--help shows what is possible."
		}
	}
	return c
}

// complain tells a person, or a program, why the command failed and what to do.
func (p *Program) complain(err error) {
	var (
		code   ended
		signal console.Signalled
	)
	if err == nil || errors.As(err, &code) || errors.As(err, &signal) {
		return // all is said, or whoever sent the signal knows
	}
	c := complaintOf(err)
	if p.json {
		if line, err := encode(c, ""); err == nil {
			_, _ = p.Err.Write(line)
		}
		return
	}
	// The message may quote a server (rules.md 9.8); JSON is made harmless by encode.
	_, _ = fmt.Fprintf(p.Err, "cartiger: %s\n", text.Clean(c.Message))
	if c.Cure != "" {
		_, _ = fmt.Fprintf(p.Err, "  %s\n", text.Clean(c.Cure))
	}
}
