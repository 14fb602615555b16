package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/ui/text"
)

// settingLine is one setting of `config list --json`. A secret has no value, only whether it is set: nobody needs to
// read a key back, and what is printed ends up in logs (rules.md 9.7).
type settingLine struct {
	Name    string   `json:"name"`
	Value   *string  `json:"value"` // null for a secret
	Set     bool     `json:"set"`
	Source  string   `json:"source"` // environment, state file, default
	Env     string   `json:"env"`
	Default string   `json:"default"`
	Secret  bool     `json:"secret"`
	Meaning string   `json:"meaning"`
	Rule    string   `json:"rule,omitempty"`
	Choices []string `json:"choices,omitempty"`
}

// configCommand changes the state file only. The environment wins, so that a unit file or a container can say where it
// all is whatever the file says.
func (p *Program) configCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "config",
		Short:   "Read and change settings",
		Long:    "Read and change settings. A CARTIGER_* variable in the environment wins over what is saved. Keys are never shown.",
		Example: "  cartiger config list\n  cartiger config set order.create-potential off",
	}
	get := &cobra.Command{
		Use: "get NAME", Short: "Print one setting; for a key only whether it is set",
		Example: "  cartiger config get order.prefix", ValidArgsFunction: completeSettings,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
				lines, err := p.settings(ctx, e, args[0])
				if err != nil {
					return err
				}
				if p.json {
					return p.document(lines[0])
				}
				p.say("%s", text.Clean(lines[0].shown()))
				return nil
			})
		},
	}
	list := &cobra.Command{
		Use: "list", Short: "Print all settings, where each comes from and what it means",
		Example: "  cartiger config list\n  cartiger config list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
				lines, err := p.settings(ctx, e, "")
				if err != nil {
					return err
				}
				if p.json {
					return p.document(map[string]any{"settings": lines})
				}
				rows := make([][]string, len(lines))
				for i, l := range lines {
					rows[i] = []string{l.Name, l.shown(), l.Source, l.Meaning}
				}
				p.table([]column{"NAME", "VALUE", "FROM", "MEANING"}, rows)
				return nil
			})
		},
	}
	set := &cobra.Command{
		Use: "set NAME [VALUE] | NAME=VALUE ...", Short: "Change settings, all of those given or none",
		Long: "Change settings, all of those given or none. A key is read from stdin or asked for, never given as an argument.",
		Example: `  cartiger config set order.prefix "Order "
  cartiger config set order.create-account=off watch.interval=30s
  cartiger config set crm.key < /run/secrets/crm`,
		ValidArgsFunction: completeSettings,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
				values, err := p.assignments(ctx, args)
				if err != nil {
					return err
				}
				// All or none: the new URL with the old key would be a connection that nobody asked for.
				if err := e.Save(ctx, values); err != nil {
					return typed(err)
				}
				for _, name := range slices.Sorted(maps.Keys(values)) {
					// Saved and without effect: nobody finds that alone.
					if s, _ := engine.FindSetting(name); p.settled(s.Env) != "" {
						p.note("%s is saved, but %s in the environment wins over it.", name, s.Env)
					}
				}
				return nil
			})
		},
	}
	unset := &cobra.Command{
		Use: "unset NAME ...", Short: "Take settings back to their defaults",
		Example: "  cartiger config unset order.prefix", ValidArgsFunction: completeSettings,
		RunE: func(cmd *cobra.Command, args []string) error {
			// All are looked up before one is taken back: a slip in the third must not leave two gone.
			for _, name := range args {
				if _, known := engine.FindSetting(name); !known {
					return noSetting(name)
				}
			}
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
				return e.Store().SaveSettings(ctx, nil, args)
			})
		},
	}
	c.AddCommand(get, list, set, unset)
	return c
}

func noSetting(name string) error {
	return misuse{&problem.Error{Kind: problem.NotFound, Where: "settings", Field: name, Message: fmt.Sprintf("no setting is called %q", name), Cure: "`cartiger config list` shows them all."}}
}

// settings lists the settings in force, or the one with a name, and where each comes from. Other than Engine.Settings it
// does not refuse a wrong value in the environment: this list is where a person finds it.
func (p *Program) settings(ctx context.Context, e *engine.Engine, name string) ([]settingLine, error) {
	saved, err := e.Store().Settings(ctx)
	if err != nil {
		return nil, err
	}
	var lines []settingLine
	for _, s := range engine.SettingsList() {
		if name != "" && s.Name != name {
			continue
		}
		l := settingLine{Name: s.Name, Env: s.Env, Source: "default", Default: s.Default, Secret: s.Secret, Meaning: s.Meaning, Rule: s.Rule, Choices: s.Choices}
		value := s.Default
		if v, ok := saved[s.Name]; ok {
			value, l.Source = v, "state file"
		}
		if v := p.settled(s.Env); v != "" {
			value, l.Source = v, "environment"
		}
		l.Set = value != ""
		if !s.Secret {
			l.Value = &value
		}
		lines = append(lines, l)
	}
	if len(lines) == 0 {
		return nil, noSetting(name)
	}
	return lines, nil
}

// shown is the value for people; a secret's is never shown.
func (l settingLine) shown() string {
	switch {
	case l.Secret && l.Set:
		return "set"
	case l.Secret:
		return "not set"
	}
	return *l.Value
}

// assignments reads "NAME VALUE", "NAME=VALUE ..." or the NAME of a key.
func (p *Program) assignments(ctx context.Context, args []string) (map[string]string, error) {
	values := map[string]string{}
	if len(args) == 2 && !strings.Contains(args[0], "=") {
		// `config set shop.key crm.key` names two keys to be read, not a key and its value.
		if _, another := engine.FindSetting(args[1]); !another {
			args = []string{args[0] + "=" + args[1]}
		}
	}
	// One reader for all of them: it reads ahead, so a second one would miss the lines that the first has taken.
	ask := asker{p: p, in: bufio.NewReader(p.In)}
	for _, arg := range args {
		name, value, assigned := strings.Cut(arg, "=")
		setting, known := engine.FindSetting(name)
		switch {
		case !known:
			return nil, noSetting(name)
		// Refused although it is too late for this one: the process list and the shell's history have it. So it is not
		// repeated.
		case setting.Secret && assigned:
			return nil, misuse{&problem.Error{
				Kind: problem.Invalid, Where: name, Field: name, Message: "a key must not be an argument: everybody on this machine can read those",
				Cure: fmt.Sprintf("`cartiger config set %s` asks for it, or reads it from stdin. Consider the one just typed as known to others.", name),
			}}
		case setting.Secret:
			v, err := ask.value(ctx, name, "", setting)
			if errors.Is(err, io.EOF) {
				return nil, misuse{&problem.Error{Kind: problem.Invalid, Where: name, Field: name, Message: "no key on stdin", Cure: "Write it there, one line."}}
			}
			if err != nil {
				return nil, err
			}
			value = v
		case !assigned:
			return nil, misuse{&problem.Error{Kind: problem.Invalid, Where: name, Field: name, Message: "no value is given", Cure: fmt.Sprintf("`cartiger config set %s VALUE`; `cartiger config unset %s` goes back to the default.", name, name)}}
		}
		values[name] = value
	}
	return values, nil
}
