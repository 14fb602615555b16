package cli

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/store"
	"cartiger/ui/text"
)

// bundleCommand is for those who ask strangers for help: what they hand over holds nothing of their customers, so they
// need not read it line by line first.
func (p *Program) bundleCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "support-bundle FILE",
		Short: "Write what helps others to help, without keys and personal data",
		Long: `Write a zip with what helps others to help: version, settings, the last status, runs, held and failed records, open
writes and the log. Keys, URLs, user names, e-mail addresses, names and everything else that a record holds stay out:
records are named by their shop id, and of what was sent only the names of the fields are told.`,
		Example: "  cartiger support-bundle cartiger-support.zip",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
				names, err := p.writeBundle(ctx, e, args[0])
				if err != nil {
					return err
				}
				if p.json {
					return p.document(map[string]any{"file": args[0], "contents": names})
				}
				p.say("%s: %s", text.Clean(args[0]), strings.Join(names, ", "))
				return nil
			})
		},
	}
}

// bundle is a zip under way. Its parts say what they take over: what is not named here is not in it. A list of what to
// leave out would miss the field that is added next.
type bundle struct {
	zip      *zip.Writer
	contents []string
	scrub    scrubber
}

// writeBundle never replaces a file, and only its owner reads the new one: whom it goes to is for the owner to say.
func (p *Program) writeBundle(ctx context.Context, e *engine.Engine, path string) (contents []string, err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, misuse{&problem.Error{Kind: problem.Conflict, Where: "support-bundle", Field: "file", Message: path + " exists already", Cure: "Name a new file."}}
	}
	if err != nil {
		return nil, misuse{&problem.Error{Kind: problem.Invalid, Where: "support-bundle", Field: "file", Message: err.Error(), Cure: "Name a file in a folder that exists and that you may write in.", Cause: err}}
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			// Half a bundle would be sent all the same.
			_ = os.Remove(path)
		}
	}()
	settings, err := e.Settings(ctx)
	if err != nil {
		return nil, err
	}
	b := &bundle{zip: zip.NewWriter(file), scrub: newScrubber(settings, e.Store().Path())}
	for _, part := range []struct {
		name string
		read func() (any, error)
	}{
		{"about.json", func() (any, error) { return map[string]any{"build": readBuild(), "at": time.Now().UTC()}, nil }},
		{"settings.json", func() (any, error) { return p.bundledSettings(ctx, e) }},
		{"status.json", func() (any, error) { return b.status(ctx, e) }},
		{"runs.json", func() (any, error) { return b.runs(ctx, e.Store()) }},
		{"records.json", func() (any, error) { return bundledRecords(ctx, e) }},
		{"open-writes.json", func() (any, error) { return bundledWrites(ctx, e.Store()) }},
		{"log.json", func() (any, error) { return b.log(ctx, e.Store()) }},
	} {
		content, err := part.read()
		if err != nil {
			return nil, err
		}
		if err := b.add(part.name, content); err != nil {
			return nil, err
		}
	}
	// The table of contents is written by Close: without it nobody can open the zip.
	return b.contents, b.zip.Close()
}

func (b *bundle) add(name string, content any) error {
	w, err := b.zip.Create(name)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	b.contents = append(b.contents, name)
	return enc.Encode(content)
}

// scrubber takes the installation's own names out of messages: what the settings hold, and e-mail addresses. Messages
// are words, and no list of fields can say what stands in them.
type scrubber struct{ known *strings.Replacer }

var address = regexp.MustCompile(`[^\s<>"'(),;:]+@[^\s<>"'(),;:]+`)

func newScrubber(s engine.Settings, path string) scrubber {
	var pairs []string
	hide := func(value, name string) {
		if len(value) > 2 { // shorter ones would tear words apart, and tell nothing
			pairs = append(pairs, value, "<"+name+">")
		}
	}
	for _, setting := range engine.SettingsList() {
		if plainSetting(setting) {
			continue
		}
		value := s.Get(setting.Name)
		// The whole before its parts: of the pairs that fit, a Replacer takes the first.
		hide(value, setting.Name)
		if u, err := url.Parse(value); err == nil && u.Host != "" {
			hide(u.Host, setting.Name)
			hide(u.Hostname(), setting.Name)
			hide(strings.Trim(u.Path, "/"), setting.Name)
		}
	}
	hide(path, "state file")
	return scrubber{strings.NewReplacer(pairs...)}
}

// A server's words may quote whatever it was sent. What it said stands in quotes, or behind what it was asked for;
// the code at the end stays.
var (
	quoted   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"?`)
	itsWords = regexp.MustCompile(`(?s)\b(vtiger|PrestaShop): ([^:]*): .*?( \([\w-]+\))?$`)
)

func (s scrubber) clean(message string) string {
	message = itsWords.ReplaceAllString(quoted.ReplaceAllString(message, `"…"`), "$1: $2: …$3")
	return address.ReplaceAllString(s.known.Replace(message), "<e-mail>")
}

// plainSetting says that the values of a setting are the same everywhere: they tell nothing about anybody.
func plainSetting(s engine.Setting) bool {
	return s.Choices != nil || s.Name == engine.CRMWorkers || s.Name == engine.WatchInterval
}

// bundledSettings tells which settings are set, and the values of those only that are alike everywhere. Of defaults,
// which may be names and addresses, the field; of currencies and states all, because ids and codes name nobody.
func (p *Program) bundledSettings(ctx context.Context, e *engine.Engine) (any, error) {
	lines, err := p.settings(ctx, e, "")
	if err != nil {
		return nil, err
	}
	type line struct {
		Name   string `json:"name"`
		Set    bool   `json:"set"`
		Source string `json:"source"`
		Value  string `json:"value,omitempty"`
	}
	out := make([]line, len(lines))
	for i, l := range lines {
		out[i] = line{Name: l.Name, Set: l.Set, Source: l.Source}
		if setting, _ := engine.FindSetting(l.Name); plainSetting(setting) {
			out[i].Value = l.shown()
		}
	}
	defaults, err := e.Store().Defaults(ctx)
	if err != nil {
		return nil, err
	}
	fields := make([]string, len(defaults))
	for i, d := range defaults {
		fields[i] = d.Module + "." + d.Field
	}
	currencies, err := e.Store().CurrencyLinks(ctx)
	if err != nil {
		return nil, err
	}
	states, err := e.Store().StateMaps(ctx)
	return map[string]any{"settings": out, "fields_with_default": fields, "currency_links": currencies, "mapped_states": states}, err
}

func (b *bundle) status(ctx context.Context, e *engine.Engine) (any, error) {
	s, err := e.StoredStatus(ctx)
	type check struct {
		ID    string       `json:"id"`
		Level engine.Level `json:"level"`
		Text  string       `json:"text"`
	}
	var checks []check
	for _, c := range s.Checks {
		if c.ID == "following" {
			c.Text = "" // names a person and a computer
		}
		// itsWords knows a server's words by its name before them, which the check has in its title.
		where := map[string]string{"crm": "vtiger", "shop": "PrestaShop"}[c.ID]
		if where != "" && c.Level == engine.Failure {
			c.Text = where + ": " + c.Text
		}
		checks = append(checks, check{c.ID, c.Level, b.scrub.clean(c.Text)})
	}
	return map[string]any{"at": s.At, "checks": checks, "entities": s.Entities}, err
}

func (b *bundle) runs(ctx context.Context, s *store.Store) (any, error) {
	runs, err := s.Runs(ctx, 0)
	if err != nil {
		return nil, err
	}
	links, err := s.CountLinks(ctx)
	for i := range runs {
		runs[i].Who = "" // a person and a computer
		runs[i].Message = b.scrub.clean(runs[i].Message)
	}
	return map[string]any{"runs": runs, "links": links}, err
}

// bundledRecord is a held or failed record without anything that it holds.
type bundledRecord struct {
	Entity   store.Entity `json:"entity"`
	ShopID   int64        `json:"shop_id"`
	State    store.State  `json:"state"`
	Reason   string       `json:"reason"`
	Attempts int          `json:"attempts"`
	Since    time.Time    `json:"since"`
	Sent     *shape       `json:"sent,omitempty"`
}

// shape is a write without its values.
type shape struct {
	Op     string   `json:"op"`
	Module string   `json:"module"`
	Fields []string `json:"fields"`
}

// shapeOf reads the shape from the stored JSON of a write; nil where nothing was sent.
func shapeOf(stored []byte) *shape {
	var w struct {
		Op, Module string
		Fields     map[string]json.RawMessage
	}
	if json.Unmarshal(stored, &w) != nil || w.Op == "" {
		return nil
	}
	return &shape{w.Op, w.Module, slices.Sorted(maps.Keys(w.Fields))}
}

func bundledRecords(ctx context.Context, e *engine.Engine) (any, error) {
	outcomes, err := e.Records(ctx, store.Filter{})
	records := make([]bundledRecord, len(outcomes))
	for i, o := range outcomes {
		records[i] = bundledRecord{o.Entity, o.ShopID, o.State, o.Reason, o.Attempts, o.Since, shapeOf([]byte(o.Sent))}
	}
	return records, err
}

// bundledWrites tells of open writes by which field they are looked up, not its value: that may be an e-mail
// address.
func bundledWrites(ctx context.Context, s *store.Store) (any, error) {
	intents, err := s.OpenIntents(ctx)
	type write struct {
		Entity   store.Entity      `json:"entity"`
		ShopID   int64             `json:"shop_id"`
		Name     string            `json:"name"`
		State    store.IntentState `json:"state"`
		Attempts int               `json:"attempts"`
		Created  time.Time         `json:"created"`
		Lookup   string            `json:"lookup_field"`
	}
	writes := make([]write, len(intents))
	for i, in := range intents {
		writes[i] = write{in.Entity, in.ShopID, in.Name, in.State, in.Attempts, in.Created, in.LookupField}
	}
	return writes, err
}

// log takes over the messages that are about no record; those about one may quote what it holds.
func (b *bundle) log(ctx context.Context, s *store.Store) (any, error) {
	entries, err := s.Entries(ctx, store.Filter{})
	lines := make([]entryDocument, len(entries))
	for i, e := range entries {
		lines[i] = entryDocument{At: e.At.UTC(), Level: e.Level, Run: e.Run, Entity: e.Entity, ShopID: e.ShopID, State: e.State}
		if e.Entity == "" {
			lines[i].Message = b.scrub.clean(e.Message)
		}
	}
	return lines, err
}
