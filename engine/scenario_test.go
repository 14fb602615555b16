package engine_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"cartiger/engine"
	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/vtigerws/vtigerwstest"
)

// TestScenarios plays every text under testdata/scenarios on every CRM version; testdata/scenarios/README says how to
// read and write them. After each one the connector looks once more, and must find nothing to do.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for n, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := readScenario(string(raw))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(file), "testdata/scenarios/"), ".txt")
		t.Run(name, func(t *testing.T) {
			for _, version := range versions {
				if !slices.Contains(s.versions, version) {
					continue
				}
				t.Run(version, func(t *testing.T) {
					t.Parallel()
					// The versions take turns at losing the state file: what a rebuild does hardly depends on them.
					s.play(t, version, version == s.versions[n%len(s.versions)])
				})
			}
		})
	}
}

// scenario is one text: its steps by heading.
type scenario struct {
	versions []string
	options  map[string]string // "CRM" lines of the head
	parts    map[string][]step
}

// step is one line: a name that later lines use, words, values and what stands indented below it.
type step struct {
	text   string
	on     []string // versions it is for; nil = all
	name   string
	words  []string
	values []pair
	below  []step
}

type pair struct{ name, value string }

var headings = []string{"Shop before:", "CRM before:", "What happens:", "CRM afterwards:", "Waiting afterwards:", "Verify finds:", "Rebuild cannot find:"}

func readScenario(text string) (scenario, error) {
	s := scenario{versions: versions, options: map[string]string{}, parts: map[string][]step{}}
	part := ""
	for n, line := range strings.Split(text, "\n") {
		words := strings.TrimSpace(line)
		switch {
		case words == "" || strings.HasPrefix(words, "#"):
		case slices.Contains(headings, words):
			part = words
		case !strings.HasPrefix(line, " "):
			if part != "" {
				return s, fmt.Errorf("line %d: %q is no heading of %q", n+1, words, headings)
			}
			if name, value, ok := strings.Cut(words, ":"); ok && slices.Contains([]string{"CRM has", "CRM counts in", "Versions", "Setting"}, name) {
				value = strings.TrimSpace(value)
				if name == "Versions" {
					s.versions = strings.Fields(value)
					continue
				}
				s.options[name+" "+value] = value
			}
		case part == "":
			return s, fmt.Errorf("line %d: %q stands under no heading", n+1, words)
		default:
			st, err := readStep(words)
			if err != nil {
				return s, fmt.Errorf("line %d: %w", n+1, err)
			}
			steps := s.parts[part]
			if strings.HasPrefix(line, "    ") {
				if len(steps) == 0 {
					return s, fmt.Errorf("line %d: nothing stands above %q", n+1, words)
				}
				last := &steps[len(steps)-1]
				last.below = append(last.below, st)
				continue
			}
			s.parts[part] = append(steps, st)
		}
	}
	return s, nil
}

var (
	onlyOn = regexp.MustCompile(`^\[([0-9. ]+)\] *`)
	named  = regexp.MustCompile(`^([a-z][a-z0-9]*) = `)
	token  = regexp.MustCompile(`^([A-Za-z_.~0-9]+=)?(?:"([^"]*)"|(\S*))`)
)

func readStep(text string) (step, error) {
	st := step{text: text}
	if m := onlyOn.FindStringSubmatch(text); m != nil {
		st.on = strings.Fields(m[1])
		text = text[len(m[0]):]
	}
	if m := named.FindStringSubmatch(text); m != nil {
		st.name = m[1]
		text = text[len(m[0]):]
	}
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		m := token.FindStringSubmatch(text)
		if m == nil || m[0] == "" {
			return st, fmt.Errorf("cannot read %q", text)
		}
		text = text[len(m[0]):]
		value := strings.ReplaceAll(m[2]+m[3], `\n`, "\n")
		if m[1] == "" {
			st.words = append(st.words, value)
		} else {
			st.values = append(st.values, pair{strings.TrimSuffix(m[1], "="), value})
		}
	}
	if len(st.words) == 0 {
		return st, fmt.Errorf("%q says nothing", st.text)
	}
	return st, nil
}

// theatre is where a scenario is played.
type theatre struct {
	*world
	version string
	names   map[string]string
}

func (s scenario) play(t *testing.T, version string, rebuild bool) {
	options := vtigerwstest.Options{Version: version}
	for name, value := range s.options {
		switch {
		case strings.HasPrefix(name, "CRM has") && value == "the Prestashop module":
			options.Addon = true
		case strings.HasPrefix(name, "CRM counts in"):
			options.BaseCurrency = value
		}
	}
	th := &theatre{world: newWorld(t, psapitest.Options{Data: bareShop()}, options), version: version, names: map[string]string{}}
	for name, value := range s.options {
		if strings.HasPrefix(name, "Setting") {
			setting, to, _ := strings.Cut(value, " = ")
			th.save(t, setting, to)
		}
	}
	for _, st := range th.mine(s.parts["Shop before:"]) {
		th.shopActs(t, st)
	}
	for _, st := range th.mine(s.parts["CRM before:"]) {
		th.crmActs(t, st)
	}
	th.vocabulary(version)
	// Watch begins here: what was there before is nobody's change.
	th.pass(t)
	for _, st := range th.mine(s.parts["What happens:"]) {
		th.happens(t, st)
	}
	th.checkRecords(t, th.mine(s.parts["CRM afterwards:"]))
	th.checkWaiting(t, th.mine(s.parts["Waiting afterwards:"]))
	th.checkMoney(t)
	th.checkQuiet(t)
	th.checkVerify(t, th.mine(s.parts["Verify finds:"]))
	if rebuild {
		th.checkRebuild(t, th.mine(s.parts["Rebuild cannot find:"]))
	}
	if t.Failed() {
		entries, _ := th.store.Entries(t.Context(), store.Filter{After: -1})
		for _, e := range entries {
			t.Log(e.Level, e.Label, e.State, e.Message)
		}
	}
}

// vocabulary names the values that a CRM's lists have for what the rules mean.
func (th *theatre) vocabulary(version string) {
	th.names["paid"], th.names["cancelled"] = "Paid", "Credit Invoice"
	if version == "5.4.0" || version == "6.4.0" {
		th.names["cancelled"] = "Cancel"
	}
}

// mine leaves out what is said for other versions, and puts in the names that are known.
func (th *theatre) mine(steps []step) []step {
	return slices.DeleteFunc(slices.Clone(steps), func(st step) bool { return st.on != nil && !slices.Contains(st.on, th.version) })
}

var reference = regexp.MustCompile(`\{([a-z0-9.]+)\}`)

// fill replaces {name} by what it stands for.
func (th *theatre) fill(t *testing.T, text string) string {
	t.Helper()
	return reference.ReplaceAllStringFunc(text, func(ref string) string {
		value, known := th.names[ref[1:len(ref)-1]]
		if !known {
			t.Fatalf("%s stands for nothing; known are %v", ref, th.names)
		}
		return value
	})
}

// happens plays one line of "What happens".
func (th *theatre) happens(t *testing.T, st step) {
	t.Helper()
	words := make([]string, len(st.words))
	for i, w := range st.words {
		words[i] = th.fill(t, w)
	}
	rest := func(n int) string { return strings.Join(words[n:], " ") }
	switch words[0] {
	case "watch":
		th.pass(t)
	case "export":
		th.export(t, words[1], engine.ExportOptions{})
	case "retry":
		if _, err := th.Retry(t.Context(), store.Filter{}); err != nil {
			t.Fatal(err)
		}
	case "setting": // setting NAME = VALUE
		th.save(t, words[1], rest(3))
	case "link": // link currencies automatically, or: link CRM-ID SHOP-ID by hand
		var err error
		if words[1] == "currencies" {
			_, err = th.LinkCurrencies(t.Context())
		} else {
			err = th.SetCurrencyLink(t.Context(), words[1], numeral(words[2]))
		}
		if err != nil {
			t.Fatal(err)
		}
	case "unlink": // unlink CODE
		if err := th.RemoveCurrencyLink(t.Context(), currencyLink(t, th.world, words[1]).CRMID); err != nil {
			t.Fatal(err)
		}
	case "map": // map NUMBER sostatus=… invoicestatus=…
		row := engine.StateRow{ShopState: numeral(words[1])}
		for _, v := range st.values {
			switch v.name {
			case "sostatus":
				row.SOStatus = v.value
			case "invoicestatus":
				row.InvoiceStatus = v.value
			}
		}
		if err := th.SetState(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	case "refused": // refused export products
		if _, err := th.Export(t.Context(), words[2], engine.ExportOptions{}); err == nil {
			t.Fatalf("%s was not refused", st.text)
		}
	case "crm":
		st.words = st.words[1:]
		th.crmActs(t, st)
	case "keep": // keep NAME = Module field=value …: a record that is in the CRM now
		th.checkRecords(t, []step{{text: st.text, name: words[1], words: words[3:], values: st.values}})
	default:
		st.words = words
		th.shopActs(t, st)
	}
}

// shopActs lets something happen in the shop: an action of psapitest, or "set" and "delete" behind its back.
func (th *theatre) shopActs(t *testing.T, st step) {
	t.Helper()
	switch st.words[0] {
	case "set":
		for _, v := range st.values {
			th.shop.Set(th.fill(t, st.words[1]), numeral(th.fill(t, st.words[2])), v.name, th.fill(t, v.value))
		}
		return
	case "delete":
		if !th.shop.Delete(th.fill(t, st.words[1]), numeral(th.fill(t, st.words[2]))) {
			t.Fatalf("%s: there is no such object", st.text)
		}
		return
	case "insert":
		values := map[string]string{}
		for _, v := range st.values {
			values[v.name] = th.fill(t, v.value)
		}
		th.names[st.name] = decimalOf(th.shop.Insert(st.words[1], values))
		return
	}
	fields := th.fields(t, reflect.TypeFor[psapitest.Action](), st.values)
	fields["do"] = mustJSON(st.words[0])
	var lines []map[string]json.RawMessage
	for _, l := range th.mine(st.below) {
		lines = append(lines, th.fields(t, reflect.TypeFor[psapitest.Line](), l.values))
	}
	if len(lines) > 0 {
		fields["lines"] = mustJSON(lines)
	}
	var a psapitest.Action
	if err := json.Unmarshal(mustJSON(fields), &a); err != nil {
		t.Fatalf("%s: %v", st.text, err)
	}
	done := th.act(t, a)
	if st.name == "" {
		return
	}
	for what, id := range map[string]int64{
		"customer": done.Customer, "address": done.Address, "order": done.Order, "product": done.Product, "cart": done.Cart,
		"currency": done.Currency, "invoice": done.Invoice,
	} {
		th.names[st.name+"."+what] = decimalOf(id)
	}
	for i, id := range done.Lines {
		th.names[fmt.Sprintf("%s.line%d", st.name, i+1)] = decimalOf(id)
	}
	for i, id := range done.Histories {
		th.names[fmt.Sprintf("%s.history%d", st.name, i+1)] = decimalOf(id)
	}
}

// fields are values in the JSON form of an action's or a line's fields; address.city is a field of its address.
func (th *theatre) fields(t *testing.T, shape reflect.Type, values []pair) map[string]json.RawMessage {
	t.Helper()
	out := map[string]json.RawMessage{}
	var address []pair
	for _, v := range values {
		if inner, ok := strings.CutPrefix(v.name, "address."); ok {
			address = append(address, pair{inner, v.value})
			continue
		}
		var field *reflect.StructField
		for _, f := range reflect.VisibleFields(shape) {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name == v.name {
				field = &f
			}
		}
		if field == nil {
			t.Fatalf("a %s has no %s", strings.ToLower(shape.Name()), v.name)
		}
		if value := th.fill(t, v.value); field.Type.Kind() == reflect.String {
			out[v.name] = mustJSON(value)
		} else {
			out[v.name] = json.RawMessage(value)
		}
	}
	if len(address) > 0 {
		out["address"] = mustJSON(th.fields(t, reflect.TypeFor[psapitest.Address](), address))
	}
	return out
}

func mustJSON(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

// crmActs lets a person do something in the CRM: add a record, set fields of one, delete one, or let the server fail.
func (th *theatre) crmActs(t *testing.T, st step) {
	t.Helper()
	switch st.words[0] {
	case "set":
		for _, v := range st.values {
			if !th.crm.Set(th.fill(t, st.words[1]), v.name, th.fill(t, v.value)) {
				t.Fatalf("%s: the CRM has no such record", st.text)
			}
		}
	case "delete":
		if !th.crm.Delete(th.fill(t, st.words[1])) {
			t.Fatalf("%s: the CRM has no such record", st.text)
		}
	case "fails":
		th.crm.Faults().Add(rule(st.words[1]))
	default:
		fields := map[string]string{}
		for _, v := range st.values {
			fields[v.name] = th.fill(t, v.value)
		}
		th.names[st.name] = th.crm.Insert(st.words[0], fields)
	}
}

// checkRecords compares the records of every module that is named: each line is one record, and there are no others.
func (th *theatre) checkRecords(t *testing.T, want []step) {
	t.Helper()
	var modules []string
	lines := map[string][]step{}
	for _, st := range want {
		if module := st.words[0]; !slices.Contains(modules, module) {
			modules = append(modules, module)
		}
		lines[st.words[0]] = append(lines[st.words[0]], st)
	}
	for _, module := range modules {
		left := th.crm.Records(module)
		for _, st := range lines[module] {
			if slices.Contains(st.words, "none") {
				continue
			}
			var why []string
			i := slices.IndexFunc(left, func(r vtigerwstest.Record) bool {
				wrong := th.differs(t, st, r)
				why = append(why, wrong)
				return wrong == ""
			})
			if i < 0 {
				t.Errorf("no record for: %s\n\t%s", st.text, strings.Join(why, "\n\t"))
				continue
			}
			if st.name != "" {
				th.names[st.name] = left[i]["id"].(string)
			}
			left = slices.Delete(slices.Clone(left), i, i+1)
		}
		for _, r := range left {
			t.Errorf("%s has a record that no line names: %s", module, mustJSON(r))
		}
	}
}

// differs says in which field a record is not what a line says, "" when it is.
func (th *theatre) differs(t *testing.T, want step, have map[string]any) string {
	t.Helper()
	for _, v := range want.values {
		value := th.fill(t, v.value)
		name, part := strings.CutSuffix(v.name, "~")
		if name == "total" {
			name = "hdnGrandTotal"
		}
		got := shown(have[name])
		if part && strings.Contains(got, value) || !part && sameShown(got, value) {
			continue
		}
		return fmt.Sprintf("%s of %s is %q", name, have["id"], got)
	}
	rows, _ := have["lines"].([]vtigerwstest.Record)
	if below := th.mine(want.below); len(below) > 0 {
		if len(rows) != len(below) {
			return fmt.Sprintf("%s has %d lines: %s", have["id"], len(rows), mustJSON(rows))
		}
		for i, l := range below {
			if wrong := th.differs(t, l, rows[i]); wrong != "" {
				return fmt.Sprintf("line %d: %s", i+1, wrong)
			}
		}
	}
	return ""
}

func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case map[string]string: // the taxes of a product
		return string(mustJSON(v))
	}
	return fmt.Sprint(v)
}

// sameShown compares amounts as amounts: the CRM stores 12.50 as 12.50000000.
func sameShown(got, want string) bool {
	if got == want {
		return true
	}
	x, errX := decimal.NewFromString(got)
	y, errY := decimal.NewFromString(want)
	return errX == nil && errY == nil && (x.Equal(y) || x.Exponent() < -3 && x.Round(3).Equal(y))
}

// checkWaiting compares the held and failed records: "order {a.order} held currency".
func (th *theatre) checkWaiting(t *testing.T, want []step) {
	t.Helper()
	outcomes, err := th.Records(t.Context(), store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	var got, wanted []string
	for _, o := range outcomes {
		got = append(got, fmt.Sprintf("%s %d %s %s", o.Entity, o.ShopID, o.State, o.Reason))
		if o.Detail == "" {
			t.Errorf("%s %d is %s and nothing says why", o.Entity, o.ShopID, o.State)
		}
	}
	for _, st := range want {
		wanted = append(wanted, th.fill(t, strings.Join(st.words, " ")))
	}
	slices.Sort(got)
	slices.Sort(wanted)
	if !slices.Equal(got, wanted) {
		t.Errorf("waiting: %q, want %q", got, wanted)
	}
}

// checkMoney holds for every document of ours: its total is the shop's, to the cent, and what a person would get who
// opens and saves it; and none is there twice.
func (th *theatre) checkMoney(t *testing.T) {
	t.Helper()
	for _, module := range []string{"SalesOrder", "Invoice"} {
		seen := map[string]bool{}
		for _, r := range th.crm.Records(module) {
			id, ours := strings.CutPrefix(shown(r["customerno"]), "presta-")
			if !ours {
				continue
			}
			if seen[id] {
				t.Errorf("%s of order %s is there twice", module, id)
			}
			seen[id] = true
			order, exists := th.shop.Record("orders", numeral(id))
			if !exists {
				continue
			}
			total, err := decimal.NewFromString(shown(r["hdnGrandTotal"]))
			if err != nil || total.Round(2).String() != decimal.RequireFromString(order["total_paid"]).String() {
				t.Errorf("%s of order %s: total %s in the CRM, %s in the shop", module, id, shown(r["hdnGrandTotal"]), order["total_paid"])
			}
			if parts := th.crm.Total(shown(r["id"])); parts.Sub(total).Abs().GreaterThanOrEqual(decimal.New(5, -3)) {
				t.Errorf("%s of order %s: its parts come to %s, its total is %s", module, id, parts, total)
			}
		}
	}
}

// checkQuiet lets the connector look once more: all is done, so it writes nothing.
func (th *theatre) checkQuiet(t *testing.T) {
	t.Helper()
	unwritten := th.unwritten(t, "one more look")
	th.pass(t)
	unwritten()
}

// unwritten gives a function that checks that nothing has been written into the CRM since.
func (w *world) unwritten(t *testing.T, by string) func() {
	t.Helper()
	w.crm.ResetStats()
	modules := []string{"Leads", "Contacts", "Accounts", "Products", "Potentials", "SalesOrder", "Invoice", "Currency"}
	all := func() string {
		var b strings.Builder
		for _, m := range modules {
			b.Write(mustJSON(w.crm.Records(m)))
		}
		return b.String()
	}
	before := all()
	return func() {
		t.Helper()
		for _, op := range []string{"create", "update", "revise", "delete", "convertlead"} {
			if n := w.crm.Stats().Requests[op]; n > 0 {
				t.Errorf("%s: %d requests to %s", by, n, op)
			}
		}
		if all() != before {
			t.Errorf("%s: the CRM is not as it was", by)
		}
	}
}

// checkVerify compares what verify finds, "customer {anna.customer} twice"; what waits is known to differ.
func (th *theatre) checkVerify(t *testing.T, want []step) {
	t.Helper()
	found, err := th.Verify(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	var wanted []string
	for _, st := range want {
		wanted = append(wanted, th.fill(t, strings.Join(st.words, " ")))
	}
	only(t, slices.DeleteFunc(found, func(d engine.Difference) bool {
		o, known, err := th.store.Outcome(t.Context(), d.Entity, d.ShopID)
		return err == nil && known && (o.State == store.Held || o.State == store.Failed)
	}), wanted...)
}

// checkRebuild loses the state file: in the rebuilt one every link leads where it did, and those that are missing are
// the ones a scenario names. Links to what is not in the CRM any more cannot be found again.
func (th *theatre) checkRebuild(t *testing.T, lose []step) {
	t.Helper()
	lost := newWorldOver(t, th.world)
	settings, err := th.store.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := lost.store.SaveSettings(t.Context(), settings, nil); err != nil {
		t.Fatal(err)
	}
	maps, err := th.store.StateMaps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := lost.store.SaveStateMaps(t.Context(), maps); err != nil {
		t.Fatal(err)
	}
	unwritten := th.unwritten(t, "rebuild and a look afterwards")
	if _, err := lost.Rebuild(t.Context()); err != nil {
		t.Fatalf("rebuild: %v", err)
	}
	name := func(l store.Link) string { return fmt.Sprintf("%s %d %s", l.Entity, l.ShopID, l.Module) }
	rebuilt := map[string]string{}
	for _, l := range lost.links(t) {
		rebuilt[name(l)] = l.CRMID
	}
	var missing, wanted []string
	for _, l := range th.links(t) {
		switch id, found := rebuilt[name(l)]; {
		case found && id != l.CRMID:
			t.Errorf("the link of %s led to %s, the rebuilt one leads to %s", name(l), l.CRMID, id)
		case !found && th.record(l.Module, l.CRMID) != nil:
			missing = append(missing, name(l))
		}
	}
	for _, st := range lose {
		wanted = append(wanted, th.fill(t, strings.Join(st.words, " ")))
	}
	if !slices.Equal(missing, wanted) {
		t.Errorf("rebuild did not find %q, want %q", missing, wanted)
	}
	if len(lose) == 0 {
		lost.pass(t)
		lost.pass(t)
	}
	unwritten()
}
