package vtigerws

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cartiger/problem"
)

func TestTheJSONIsDugOutOfWhatSurroundsIt(t *testing.T) {
	const yes = `{"success":true,"result":{"a":"}{\""}}`
	cases := []struct{ name, body, noise string }{
		{"clean", yes, ""},
		{"byte order mark and a blank line", "\xef\xbb\xbf\n" + yes, "\xef\xbb\xbf"},
		{"a notice before", "<br />\n<b>Notice</b>: x\n" + yes, "<br />\n<b>Notice</b>: x"},
		{"a warning behind", yes + "\n<b>Warning</b>", "<b>Warning</b>"},
		{"a broken one before", `{"success":tru ` + yes, `{"success":tru`},
		{"one that promises and does not keep", `{"success":true} ` + yes, `{"success":true}`},
		{"another order and blanks", "{ \"result\" : {\"a\":\"}{\\\"\"} , \"success\" : true }", ""},
	}
	for _, k := range cases {
		e, noise, err := dig([]byte(k.body))
		if err != nil || !*e.Success || !strings.Contains(string(e.Result), `"}{\""`) {
			t.Errorf("%s: %+v, %v", k.name, e, err)
		}
		if string(noise) != k.noise {
			t.Errorf("%s: noise %q, want %q", k.name, noise, k.noise)
		}
	}
	for _, body := range []string{"", "x", "{}", "null", `{"success":true`, `{"success":"yes","result":1}`, `{"success":false}`, strings.Repeat(`{"success":`, 5000)} {
		if e, _, err := dig([]byte(body)); err == nil {
			t.Errorf("%.30q was taken for an answer: %+v", body, e)
		}
	}
}

func TestAnyScalarBecomesAString(t *testing.T) {
	var r Record
	if err := json.Unmarshal([]byte(`{"s":"é","n":43.038399999999996,"t":true,"f":false,"z":null,"l":[{"a":1}]}`), &r); err != nil {
		t.Fatal(err)
	}
	want := Record{"s": "é", "n": "43.038399999999996", "t": "1", "f": "0", "z": "", "l": `[{"a":1}]`}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
}

// PHP prints an array with gaps as an object.
func TestAnArrayWithGapsIsStillAList(t *testing.T) {
	var types list[scalar]
	if err := json.Unmarshal([]byte(`{"7":"Leads","3":"Accounts"}`), &types); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(list[scalar]{"Leads", "Accounts"}, types); diff != "" {
		t.Error(diff)
	}
}

func TestMoreValuesThanAnyAnswerHoldsAreNotUnderstood(t *testing.T) {
	for text, want := range map[string]bool{
		`[` + strings.Repeat(`{},`, maxParts/2) + `{}]`:             true,
		`{"a":"` + strings.Repeat(`,\",[{`, maxParts) + `","b":""}`: false,
		`[` + strings.Repeat(`"",`, maxParts-1) + `""]`:             false,
	} {
		if got := crowded([]byte(text)); got != want {
			t.Errorf("%.20s…: %v, want %v", text, got, want)
		}
	}
	body := `{"success":true,"result":[` + strings.Repeat(`{},`, maxParts) + `{}]}`
	_, _, err := open(call{op: "create", write: true}, answer{status: 200, body: []byte(body)})
	if p, _ := problem.Of(err); p == nil || p.Code != codeTooLarge || p.Kind != problem.Unknown {
		t.Errorf("%v", err)
	}
}

func FuzzDig(f *testing.F) {
	for _, seed := range []string{"", `{"success":true,"result":[]}`, `x{"success":false,"error":{"code":"A","message":"b"}}y`, `{"success":{"success":true,"result":1}}`} {
		f.Add([]byte(seed), "<br />", "\n")
	}
	f.Fuzz(func(t *testing.T, body []byte, before, behind string) {
		e, _, err := dig(body)
		if err != nil {
			return
		}
		if !e.whole() {
			t.Fatalf("an answer that is none: %q", body)
		}
		if e.Result != nil && !json.Valid(e.Result) {
			t.Fatalf("the result is not JSON: %q", e.Result)
		}
		// Whatever surrounds an answer must not change it, as long as it holds none itself.
		text, err := json.Marshal(e)
		if err != nil || strings.Contains(before, "{") || strings.Contains(behind, "{") {
			return
		}
		surrounded, _, err := dig([]byte(before + string(text) + behind))
		if err != nil {
			t.Fatalf("lost in %q and %q: %v", before, behind, err)
		}
		again, _ := json.Marshal(surrounded)
		if string(again) != string(text) {
			t.Fatalf("%s became %s", text, again)
		}
	})
}
