package fault_test

import (
	"testing"

	"cartiger/fault"
)

func TestARuleStrikesOnlyWhatItNames(t *testing.T) {
	rule, err := fault.ParseRule("lost:op=create,type=SalesOrder,nth=2")
	if err != nil {
		t.Fatal(err)
	}
	var set fault.Set
	set.Add(rule)
	asked := []struct {
		op, module string
		want       bool
	}{
		{"query", "", false},
		{"create", "Leads", false},
		{"create", "SalesOrder", false},
		{"create", "SalesOrder", true},
		{"create", "SalesOrder", false},
	}
	for i, a := range asked {
		if _, got := set.Hit(a.op, a.module, fault.Lost); got != a.want {
			t.Errorf("request %d (%s %s): struck %v, want %v", i+1, a.op, a.module, got, a.want)
		}
	}
}

func TestASeedRepeatsARun(t *testing.T) {
	strikes := func() (pattern string) {
		rule, err := fault.ParseRule("reset:p=0.5,seed=7")
		if err != nil {
			t.Fatal(err)
		}
		var set fault.Set
		set.Add(rule)
		for range 40 {
			if _, hit := set.Hit("create", "Leads", fault.Reset); hit {
				pattern += "x"
			} else {
				pattern += "."
			}
		}
		return pattern
	}
	first, second := strikes(), strikes()
	if first != second {
		t.Errorf("one seed gave two patterns:\n%s\n%s", first, second)
	}
}

func TestAWrongRuleNamesItsPart(t *testing.T) {
	for _, text := range []string{"burn", "lost:p=often", "lost:colour=red"} {
		if _, err := fault.ParseRule(text); err == nil {
			t.Errorf("rule %q was accepted", text)
		}
	}
}
