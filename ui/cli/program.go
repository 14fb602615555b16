// Package cli is the command line: one file per command, a twin of the console. Results go to stdout, messages and
// progress to stderr; --json makes the results machine-readable (docs/json.md); the exit code says how it ended.
package cli

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/store"
	"cartiger/ui/console"
	"cartiger/ui/term"
)

// Program is what the surroundings give the commands, and what the flags that all of them share decide.
type Program struct {
	In  io.Reader
	Out *output // results
	Err io.Writer
	// Environ is a function, so that the demo can hide the variables of a real shop from what it plays.
	Environ func(string) string

	json  bool
	state string
	level string
	plain bool

	// settled is Environ with the keys that lie in files, once the state file is open.
	settled func(string) string

	began bool // arguments and flags were right: what goes wrong from here on is no wrong usage
}

// Main runs the program and gives its exit code.
func Main(args []string) int {
	// A reader that goes away (| head) stops a run like a signal, not in the middle of a write: left alone, Go ends the
	// program at the first write into a closed stdout.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := context.WithCancelCause(context.Background())
	ctx, done := untilSignal(ctx)
	defer done()
	gone := func() { stop(console.Signalled{Signal: syscall.SIGPIPE}) }
	p := &Program{In: os.Stdin, Out: &output{w: os.Stdout, gone: gone}, Err: os.Stderr, Environ: os.Getenv}
	return p.run(ctx, args)
}

// run carries out one command and gives its exit code.
func (p *Program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	root.SetIn(p.In)
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		// A command whose results went nowhere has not done what it was asked for.
		err = p.Out.err
	}
	// A signal explains every error that came after it.
	if cause, ok := context.Cause(ctx).(console.Signalled); ok && err != nil {
		err = cause
	}
	if err != nil && !p.began {
		p.json = p.json || slices.Contains(args, "--json") // the flags were not read to their end
		err = misuse{err}
	}
	p.complain(err)
	return exitCode(err)
}

// untilSignal gives a context that ends with the first SIGHUP, SIGINT or SIGTERM; its cause is the signal. What runs
// then stops cleanly. A second SIGINT ends the program at once: the person at the keyboard knows what he wants.
func untilSignal(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	wanted := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		wanted = append(wanted, syscall.SIGHUP)
	}
	heard := make(chan os.Signal, 4)
	signal.Notify(heard, wanted...)
	go func() {
		for s := range heard {
			if ctx.Err() != nil && s == syscall.SIGINT {
				os.Exit(exitCode(console.Signalled{Signal: s}))
			}
			cancel(console.Signalled{Signal: s})
		}
	}()
	return ctx, func() {
		signal.Stop(heard)
		close(heard)
		cancel(nil)
	}
}

const about = `Cartiger keeps a vtiger CRM (5.1 to 6.4) in step with a PrestaShop 1.4 shop: customers, products, orders and
invoices, never twice, never lost, to the cent.

Without a command it opens the console; where there is no terminal it prints the status.`

const surroundings = `Environment:
  CARTIGER_SHOP_URL, CARTIGER_SHOP_KEY, CARTIGER_CRM_URL, CARTIGER_CRM_USER, CARTIGER_CRM_KEY
                      the connection; a key is also read from the file named by CARTIGER_SHOP_KEY_FILE,
                      CARTIGER_CRM_KEY_FILE, or from $CREDENTIALS_DIRECTORY/shop-key, crm-key (systemd)
                      (every setting has such a variable: config list --json names them)
  CARTIGER_STATE      the state file, as --state
  CARTIGER_LOG        debug, info, warn or error, as --log

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 finished with held or failed records, 4 settings incomplete,
5 cannot connect or log in, 11 another process holds the run, 129/130/143 ended by a
signal, 141 nobody reads stdout any more.`

const plainUsage = "console without screen control: line prompts, one line per change"

// root is the command tree.
func (p *Program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "cartiger",
		Short: "Keep a vtiger CRM in step with a PrestaShop shop",
		Long:  about,
		Example: `  cartiger demo
  cartiger connect
  cartiger export products`,
		// complain says it, in our words or as JSON.
		SilenceErrors: true,
		SilenceUsage:  true,
		// Cobra calls the nearest one, once flags and arguments are right: no command may have another.
		PersistentPreRun: func(*cobra.Command, []string) {
			p.began = true
		},
		RunE: p.runRoot,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&p.state, "state", "", "state `FILE` (default $XDG_STATE_HOME/cartiger/state.db)")
	flags.BoolVar(&p.json, "json", false, "results as JSON: one document, or one line per record while something runs")
	flags.StringVar(&p.level, "log", "", "tell on stderr what happens: `LEVEL` debug, info, warn or error (default warn)")
	root.Flags().BoolVar(&p.plain, "plain", false, plainUsage)
	root.AddGroup(
		&cobra.Group{ID: "start", Title: "First steps:"},
		&cobra.Group{ID: "set", Title: "Settings:"},
		&cobra.Group{ID: "run", Title: "Carrying records:"},
		&cobra.Group{ID: "keep", Title: "Looking after it:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("start", p.demoCommand(), p.connectCommand(), p.statusCommand(), p.testCommand())
	add("set", p.configCommand(), p.defaultsCommand(), p.currenciesCommand(), p.statesCommand())
	add("run", p.exportCommand(), p.watchCommand(), p.runCommand(), p.recordsCommand(), p.verifyCommand())
	add("keep", p.rebuildCommand(), p.logCommand(), p.backupCommand(), p.forgetCommand(), p.bundleCommand())
	root.AddCommand(p.simulateCommand(), p.manCommand(), p.versionCommand())
	root.SetUsageTemplate(usageTemplate(root.UsageTemplate()))
	// Last: it goes over the whole tree.
	checkUsage(root)
	return root
}

// runRoot opens the console, or prints the status where there is no terminal: a timer that calls the bare program gets
// an answer and an end.
func (p *Program) runRoot(cmd *cobra.Command, _ []string) error {
	if !p.interactive() {
		_, err := p.printStatus(cmd.Context(), false)
		return err
	}
	return p.with(cmd.Context(), p.console)
}

// console opens the console over an engine.
func (p *Program) console(ctx context.Context, e *engine.Engine) error {
	return console.Run(ctx, e, console.Options{Environ: p.settled, Who: store.Who(), Plain: p.plain})
}

// interactive says that a person sits at both ends: then there are prompts, and the console.
func (p *Program) interactive() bool { return p.isTerminal(p.In) && p.isTerminal(p.Out.w) }

func (p *Program) isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.Of(f, p.Environ).Terminal
}

// with opens the state file and runs a command over an engine on it.
func (p *Program) with(ctx context.Context, do func(context.Context, *engine.Engine) error) error {
	environ, err := p.withKeyFiles()
	if err != nil {
		return err
	}
	path, err := p.statePath()
	if err != nil {
		return err
	}
	return p.over(ctx, path, environ, do)
}

// over is with for a state file and an environment of the caller's choice.
func (p *Program) over(ctx context.Context, path string, environ func(string) string, do func(context.Context, *engine.Engine) error) (err error) {
	p.settled = environ
	log, err := p.logger()
	if err != nil {
		return err
	}
	state, err := store.Open(ctx, path)
	if err != nil {
		return err
	}
	// A close that fails may mean something that is not on disk. It must not hide what went wrong before.
	defer func() {
		if closeErr := state.Close(); err == nil {
			err = closeErr
		}
	}()
	return do(ctx, engine.New(state, engine.Options{Who: store.Who(), Environ: environ, Log: log}))
}

// statePath is where the state file is; what is typed wins over the environment, as with every setting.
func (p *Program) statePath() (string, error) {
	if path := nonEmpty(p.state, p.Environ("CARTIGER_STATE")); path != "" {
		return path, nil
	}
	return store.DefaultPath()
}

// logger tells on stderr what happens. TextHandler quotes whatever is not printable, so that a server's words need no
// cleaning here.
func (p *Program) logger() (*slog.Logger, error) {
	name := p.level
	if name == "" {
		name = p.Environ("CARTIGER_LOG")
	}
	level := slog.LevelWarn
	if name != "" {
		if err := level.UnmarshalText([]byte(name)); err != nil {
			return nil, misuse{&problem.Error{Kind: problem.Invalid, Where: "log", Field: "log", Message: "no level is called " + name, Cure: "Use debug, info, warn or error.", Cause: err}}
		}
	}
	return slog.New(slog.NewTextHandler(p.Err, &slog.HandlerOptions{Level: level})), nil
}
