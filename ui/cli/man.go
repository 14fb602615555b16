package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manCommand makes the page from the command tree: one that is written by hand falls behind --help.
func (p *Program) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man",
		Short:   "Print the manual page",
		Long:    "Print the manual page with every command, in the form that man reads.",
		Example: "  cartiger man > /usr/local/share/man/man1/cartiger.1\n  cartiger man | man -l -",
		RunE: func(cmd *cobra.Command, _ []string) error {
			writeManual(p.Out, cmd.Root()) // Out keeps the error
			return nil
		},
	}
}

// writeManual writes a page of section 1 from the command tree.
func writeManual(w io.Writer, root *cobra.Command) {
	put := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	// Without a date: the page of one version is the same whenever it is printed.
	put(`.TH CARTIGER 1 "" "cartiger" "User Commands"`)
	put(".SH NAME\ncartiger \\- %s", roff(root.Short))
	put(".SH SYNOPSIS\n.B cartiger\n[\\fICOMMAND\\fR] [\\fIFLAGS\\fR]")
	put(".SH DESCRIPTION\n%s", roff(root.Long))
	put(".SH OPTIONS")
	writeFlags(put, root.PersistentFlags())
	put(".SH COMMANDS")
	writeCommands(put, root)
	put(".SH ENVIRONMENT AND EXIT CODES\n.nf\n%s\n.fi", roff(surroundings))
	put(".SH FILES\n.TP\n.I $XDG_STATE_HOME/cartiger/state.db\n%s", roff("Settings, keys, links and the list of every record; without the variable below ~/.local/state. Only its owner can read it."))
}

func writeCommands(put func(string, ...any), parent *cobra.Command) {
	for _, c := range parent.Commands() {
		if !c.IsAvailableCommand() || c.Name() == "help" {
			continue
		}
		if c.HasAvailableSubCommands() {
			put(".SS %s COMMAND", roff(c.CommandPath()))
			writeText(put, c.Long)
			writeCommands(put, c)
			continue
		}
		put(".SS %s", roff(c.UseLine()))
		if parent.Name() == "completion" { // whose texts are cobra's, in markdown
			put("%s.", roff(c.Short))
			continue
		}
		writeText(put, nonEmpty(c.Long, c.Short+"."))
		writeFlags(put, c.NonInheritedFlags())
		if c.Example != "" {
			put(".PP\n.nf\n%s\n.fi", roff(c.Example))
		}
	}
}

// writeText fills paragraphs, but keeps the lines of one that is a table: it has indented lines.
func writeText(put func(string, ...any), long string) {
	for i, paragraph := range strings.Split(long, "\n\n") {
		if i > 0 {
			put(".PP")
		}
		if strings.Contains(paragraph, "\n  ") {
			put(".nf\n%s\n.fi", roff(paragraph))
		} else {
			put("%s", roff(paragraph))
		}
	}
}

// writeFlags names the defaults that say something: a count of 0 or a switch that is off says the same as no word.
func writeFlags(put func(string, ...any), flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "\\-\\-" + roff(f.Name)
		if f.Shorthand != "" {
			name = "\\-" + f.Shorthand + ", " + name
		}
		if value != "" {
			name += " \\fI" + roff(value) + "\\fR"
		}
		if kind := f.Value.Type(); f.DefValue != "" && (kind == "string" || kind == "int" && f.DefValue != "0") {
			usage += " (default " + f.DefValue + ")"
		}
		put(".TP\n.B %s\n%s", name, roff(usage))
	})
}

// roff escapes text: backslashes, hyphens that must stay hyphens, and lines that would be requests.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, `-`, `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
		if strings.TrimSpace(line) == "" {
			lines[i] = ".PP"
		}
	}
	return strings.Join(lines, "\n")
}
