package psapitest_test

import (
	"testing"
	"time"

	"cartiger/psapi/psapitest"
)

func newShop(t *testing.T, o psapitest.Options) *psapitest.Shop {
	t.Helper()
	shop, err := psapitest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return shop
}

// clock stands still at a moment of the shop's wall clock.
func clock(t *testing.T, stamp string) func() time.Time {
	t.Helper()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04:05", stamp, paris)
	if err != nil {
		t.Fatal(err)
	}
	return func() time.Time { return at }
}
