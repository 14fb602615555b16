package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cartiger/problem"
)

// checkUsage makes every command of a tree check its arguments and flags, say what is wrong with them, and complete
// them. All goes by the usage line, so that what help says and what is accepted cannot differ.
func checkUsage(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	root.SetFlagErrorFunc(flagError)
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		switch {
		case c.Name() == "help":
			c.Args = knownTopic
		case c.HasSubCommands():
			c.Args = noSuchCommand
			if !c.Runnable() {
				c.RunE = needsSubcommand
			}
		default:
			c.Args = asUsed
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if kind := f.Value.Type(); kind == "int" || kind == "duration" {
				f.Value = unsigned{f.Value}
				if f.DefValue == "0s" {
					f.DefValue = "0" // help keeps silent about that; it knows "0s" only of pflag's own duration
				}
			}
		})
		checkCompletion(c)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

// unsigned is a count or a duration: neither can be negative.
type unsigned struct{ pflag.Value }

func (u unsigned) Set(text string) error {
	if strings.HasPrefix(text, "-") {
		return errors.New("negative")
	}
	return u.Value.Set(text)
}

// wrong is wrong usage of a command; the cure is its usage line, not a page of help that pushes the message off the
// screen.
func wrong(cmd *cobra.Command, field, format string, args ...any) error {
	_, where, _ := strings.Cut(cmd.CommandPath(), " ")
	return misuse{&problem.Error{Kind: problem.Invalid, Where: where, Field: field, Message: fmt.Sprintf(format, args...), Cure: usageOf(cmd)}}
}

func usageOf(cmd *cobra.Command) string {
	if cmd.HasSubCommands() {
		return fmt.Sprintf("`%s --help` shows what is possible.", cmd.CommandPath())
	}
	return fmt.Sprintf("Usage: %s. `%s --help` explains it.", cmd.UseLine(), cmd.CommandPath())
}

// asUsed holds arguments against the usage line: NAME has to be given, [NAME] may, and ... repeats what stands before.
func asUsed(cmd *cobra.Command, args []string) error {
	_, line, _ := strings.Cut(cmd.Use, " ")
	// What stands behind a bar is another way to write the same.
	line, _, _ = strings.Cut(line, " | ")
	names := slices.DeleteFunc(strings.Fields(line), func(name string) bool { return name == "..." })
	needed := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return strings.HasPrefix(name, "[") })
	switch {
	case len(args) < len(needed):
		missing := needed[len(args):]
		verb := "is"
		if len(missing) > 1 {
			verb = "are"
		}
		return wrong(cmd, missing[0], "%s %s missing", strings.Join(missing, " and "), verb)
	case len(args) > len(names) && !strings.Contains(cmd.Use, "..."):
		return wrong(cmd, "", "unexpected argument %q", args[len(names)])
	case len(cmd.ValidArgs) > 0 && !slices.Contains(cmd.ValidArgs, args[0]):
		return wrong(cmd, names[0], "invalid argument %q: use one of %s", args[0], strings.Join(cmd.ValidArgs, ", "))
	}
	return nil
}

// noSuchCommand refuses the argument of a command that only has commands below it.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2 // letters
	err := wrong(cmd, "", "unknown command %q", args[0])
	if trouble, ok := problem.Of(err); ok {
		if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
			trouble.Cure = "Did you mean " + strings.Join(similar, " or ") + "? " + trouble.Cure
		}
	}
	return err
}

// needsSubcommand is what a command answers that only groups others.
func needsSubcommand(cmd *cobra.Command, _ []string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return wrong(cmd, "", "needs one of: %s", strings.Join(names, ", "))
}

// knownTopic lets help be asked only for commands that exist.
func knownTopic(cmd *cobra.Command, args []string) error {
	topic, rest, err := cmd.Root().Find(args)
	if err == nil && topic.HasSubCommands() {
		return noSuchCommand(topic, rest)
	}
	return err
}

// flagError says in words what the flag parser found; its own words are those of Go's parsers ("strconv.ParseInt: …").
func flagError(cmd *cobra.Command, err error) error {
	var (
		unknown *pflag.NotExistError
		empty   *pflag.ValueRequiredError
		value   *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &unknown):
		return wrong(cmd, unknown.GetSpecifiedName(), "%s", err)
	case errors.As(err, &empty):
		return wrong(cmd, empty.GetFlag().Name, "--%s needs a value", empty.GetFlag().Name)
	case !errors.As(err, &value):
		return wrong(cmd, "", "%s", err)
	}
	flag := value.GetFlag()
	rule := map[string]string{
		"int": "a whole number, 0 or more", "int64": "a whole number", "duration": "a duration of 0 or more, such as 10s or 5m", "bool": "true or false",
	}[flag.Value.Type()]
	if rule == "" {
		return wrong(cmd, flag.Name, "%s", err)
	}
	return wrong(cmd, flag.Name, "--%s: %q is not %s", flag.Name, value.GetValue(), rule)
}

// usageTemplate is cobra's, with the surroundings on the first page, and without the line that would run a command
// which only has commands below it.
func usageTemplate(cobras string) string {
	return strings.NewReplacer(
		"{{if .Runnable}}\n", "{{if and .Runnable (not (and .HasParent .HasAvailableSubCommands))}}\n",
		"[command]{{end}}{{if gt", "COMMAND{{end}}{{if gt",
		"{{if .HasAvailableSubCommands}}\n\nUse", "{{if not .HasParent}}\n\n"+surroundings+"{{end}}{{if .HasAvailableSubCommands}}\n\nUse",
		"[command] --help", "COMMAND --help",
	).Replace(cobras)
}
