package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/ui/term"
	"cartiger/ui/text"
)

// question is one value of the connection, in the order in which people are asked. The help promises that order: scripts
// write their lines to stdin in it. A key has no flag, because everybody on the machine can read a command line.
type question struct{ setting, prompt, flag string }

var questions = []question{
	{engine.CRMURL, "URL of vtiger CRM", "crm-url"},
	{engine.CRMUser, "CRM user name", "crm-user"},
	{engine.CRMKey, "CRM access key (My Preferences, User Advanced Options)", ""},
	{engine.ShopURL, "URL of the shop", "shop-url"},
	{engine.ShopKey, "Shop web service key (Tools, Web service)", ""},
}

// connection is what connect saves: the answers, and what a certificate or a web server may need besides.
var connection = []string{
	engine.CRMURL, engine.CRMUser, engine.CRMKey, engine.CRMCA,
	engine.ShopURL, engine.ShopKey, engine.ShopCA, engine.ShopPlainKey,
}

func (p *Program) connectCommand() *cobra.Command {
	given := map[string]*string{}
	var noInput bool
	c := &cobra.Command{
		Use:   "connect",
		Short: "Say where shop and CRM are, test the connection and save it",
		Long: `Say where shop and CRM are, test the connection and save it.

What is not given by a flag or the environment is asked for: on a terminal with a prompt (keys are not shown), else
one line of stdin each, in the order CRM URL, CRM user, CRM access key, shop URL, shop key, leaving out what is known.
Keys are never flags, because everybody on the machine can read those. Nothing is saved unless the test succeeds.
The first time, the currencies are linked automatically.`,
		Example: `  cartiger connect
  printf '%s\n' "$CRM_KEY" "$SHOP_KEY" | cartiger connect --crm-url https://crm.example.test/ \
      --crm-user admin --shop-url https://shop.example.test/
  CARTIGER_CRM_KEY_FILE=/run/secrets/crm cartiger connect --no-input`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
				flags := map[string]string{}
				for name, value := range given {
					if *value != "" {
						flags[name] = *value
					}
				}
				draft, err := p.draft(ctx, e, flags, noInput)
				if err != nil {
					return err
				}
				done, err := p.join(ctx, e, draft)
				if err != nil || !p.json {
					return err
				}
				return p.document(done)
			})
		},
	}
	for _, q := range questions {
		if q.flag != "" {
			given[q.setting] = c.Flags().String(q.flag, "", strings.NewReplacer("URL", "`URL`", "name", "`NAME`").Replace(q.prompt))
		}
	}
	given[engine.CRMCA] = c.Flags().String("crm-ca-file", "", "`FILE` with the certificate authority of the CRM's certificate")
	given[engine.ShopCA] = c.Flags().String("shop-ca-file", "", "`FILE` with the certificate authority of the shop's certificate")
	given[engine.ShopPlainKey] = c.Flags().String("shop-key-in-url", "", "`on|off`: send the key in the URL over plain HTTP where the web server drops the Authorization header")
	c.Flags().BoolVar(&noInput, "no-input", false, "ask nothing: say what is missing")
	return c
}

// draft gathers the connection: flags over environment over what is asked for over what is saved.
func (p *Program) draft(ctx context.Context, e *engine.Engine, flags map[string]string, noInput bool) (map[string]string, error) {
	current, err := e.Settings(ctx)
	if err != nil {
		return nil, err
	}
	draft := map[string]string{}
	for _, name := range connection {
		setting, _ := engine.FindSetting(name)
		if v := p.settled(setting.Env); v != "" {
			draft[name] = v
		}
	}
	for name, v := range flags {
		setting, _ := engine.FindSetting(name)
		// Before anybody is asked: five answers should not be lost for a slip in a flag.
		if err := setting.Check(v); err != nil {
			return nil, typed(err)
		}
		draft[name] = v
	}
	// One reader for all answers: it reads ahead, so a second one would miss the lines that the first has taken.
	ask := asker{p: p, in: bufio.NewReader(p.In)}
	var missing []question
	for _, q := range questions {
		saved := current.Get(q.setting)
		// A saved value is asked for again only where a person can press Enter to keep it. From a pipe the lines are for what
		// is not known: else the line with a key would be taken for an address.
		if draft[q.setting] != "" || saved != "" && (noInput || !p.isTerminal(p.In)) {
			continue
		}
		if noInput {
			missing = append(missing, q)
			continue
		}
		setting, _ := engine.FindSetting(q.setting)
		v, err := ask.value(ctx, q.prompt, saved, setting)
		if errors.Is(err, io.EOF) {
			missing = append(missing, q)
			continue
		}
		if err != nil {
			return nil, err
		}
		draft[q.setting] = v
	}
	if len(missing) > 0 {
		return nil, lacking(missing)
	}
	return draft, nil
}

// lacking says which settings are missing and all the ways to give them, all at once: a script that learns of one at a
// time is started five times.
func lacking(missing []question) error {
	ways := make([]string, len(missing))
	for i, q := range missing {
		setting, _ := engine.FindSetting(q.setting)
		other := "--" + q.flag
		if setting.Secret {
			other = setting.Env + "_FILE"
		}
		ways[i] = fmt.Sprintf("%s (%s or %s)", q.setting, setting.Env, other)
	}
	return &problem.Error{
		Kind: problem.Invalid, Where: "settings", Code: "incomplete", Field: missing[0].setting, Message: "not set: " + strings.Join(ways, ", "),
		Cure: "Set them, or run `cartiger connect` on a terminal.",
	}
}

// asker asks for values, one line each.
type asker struct {
	p  *Program
	in *bufio.Reader
}

// value asks until the answer is allowed; an empty one keeps what is saved. From a pipe a wrong answer is final.
func (a asker) value(ctx context.Context, prompt, saved string, s engine.Setting) (string, error) {
	live := a.p.isTerminal(a.p.In)
	if live && s.Secret {
		// Before the prompt, and until the answer is allowed: who types fast must not see the key either.
		defer term.Hush(a.p.In)()
	}
	for {
		if err := ctx.Err(); err != nil {
			return "", context.Cause(ctx)
		}
		if live {
			hint := ""
			switch {
			case saved != "" && s.Secret:
				hint = " [keep the saved one]"
			case saved != "":
				hint = " [" + text.Clean(saved) + "]"
			}
			_, _ = fmt.Fprintf(a.p.Err, "%s%s: ", prompt, hint)
		}
		v, err := a.line(ctx)
		if err != nil {
			return "", err
		}
		if v == "" && saved != "" {
			return saved, nil
		}
		err = s.Check(v)
		if v == "" {
			err = &problem.Error{Kind: problem.Invalid, Where: s.Name, Code: "incomplete", Field: s.Name, Message: "must not be empty", Cure: "Type " + s.Meaning + "."}
		}
		if err == nil {
			return v, nil
		}
		if !live {
			return "", typed(err)
		}
		a.p.complain(err)
	}
}

// line reads one line; a signal ends the waiting. A read from a terminal cannot be cut off: its goroutine is left
// behind, which ends with the program.
func (a asker) line(ctx context.Context) (string, error) {
	type answer struct {
		text string
		err  error
	}
	read := make(chan answer, 1)
	go func() {
		s, err := a.in.ReadString('\n')
		// A last line without a line feed counts: printf %s writes none.
		if err == io.EOF && s != "" {
			err = nil
		}
		read <- answer{s, err}
	}()
	select {
	case got := <-read:
		return strings.TrimSpace(got.text), got.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// connected is `connect --json`.
type connected struct {
	statusDocument
	Saved      bool                  `json:"saved"`
	Currencies []engine.CurrencyStep `json:"currencies"`
}

// join tests a connection, saves it, and links the currencies the first time.
func (p *Program) join(ctx context.Context, e *engine.Engine, draft map[string]string) (connected, error) {
	done := connected{Currencies: []engine.CurrencyStep{}}
	var failed []error
	s, err := e.TestConnection(ctx, draft, func(step engine.Step) {
		p.tellStep(step)
		failed = append(failed, step.Err)
	})
	// Checks cut short by a signal say nothing about the servers.
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return done, typed(err)
	}
	done.statusDocument = documentOf(s)
	// Only a server that cannot be used keeps the connection from being saved. What else is wrong, such as a missing
	// right, is mended with the connection in place.
	if err := judge(s.Checks); err != nil {
		var code ended
		if errors.As(err, &code) && code == exitConnect {
			return done, refused(s, failed)
		}
	}
	if err := e.Save(ctx, draft); err != nil {
		return done, typed(err)
	}
	done.Saved = true
	if !p.json {
		p.note("Connected and saved in %s.", text.Clean(e.Store().Path()))
	}
	linked, err := p.linkFirst(ctx, e, &done)
	if err != nil || p.json {
		return done, err
	}
	for _, c := range s.Checks {
		// The checks are older than the linking: what they say about currencies is out of date.
		if c.Level != engine.OK && !(linked && c.ID == "currencies" && c.Level == engine.Warning) {
			p.note("  %s %s: %s", levelWord[c.Level], c.Title, text.Clean(c.Text))
		}
	}
	return done, nil
}

// linkFirst links the currencies where none is linked yet (rules.md 5), and says whether that has changed what the
// checks found. Where some are, it keeps away: a link that a person took away must not come back with a new key.
func (p *Program) linkFirst(ctx context.Context, e *engine.Engine, done *connected) (bool, error) {
	links, err := e.Store().CurrencyLinks(ctx)
	if err != nil || len(links) > 0 {
		return false, err
	}
	steps, err := e.LinkCurrencies(ctx)
	done.Currencies = append(done.Currencies, steps...)
	if err != nil {
		// The connection stands; what is wrong with the currencies is a line of the status as well.
		c := complaintOf(err)
		p.note("Currencies are not all linked: %s\n  %s", text.Clean(c.Message), text.Clean(c.Cure))
	}
	if !p.json {
		for _, step := range steps {
			p.note("  currency: %s", text.Clean(step.Text))
		}
	}
	return err == nil, nil
}

// refused is the failed connection as an error with its diagnosis and cure; the shop's when both failed comes second.
func refused(s engine.Status, failed []error) error {
	refusal := &problem.Error{Kind: problem.Unavailable, Where: "connect"}
	var messages, cures []string
	for _, c := range s.Checks {
		if c.Level != engine.Failure || c.ID != "crm" && c.ID != "shop" {
			continue
		}
		messages = append(messages, c.Title+": "+c.Text)
		cures = append(cures, c.Cure)
		for _, err := range failed {
			trouble, ok := problem.Of(err)
			if !ok || trouble.Message != c.Text || refusal.Code != "" {
				continue
			}
			refusal.Code, refusal.Field = trouble.Code, trouble.Field
			if trouble.Kind == problem.Unauthorised {
				refusal.Kind = trouble.Kind
			}
		}
	}
	refusal.Message, refusal.Cure = "nothing was saved; "+strings.Join(messages, "; "), strings.Join(cures, " ")
	return refusal
}
