package store_test

import (
	"fmt"
	"sync"
	"testing"

	"cartiger/store"
)

func page(from int64) [][]store.Intent {
	chains := make([][]store.Intent, 100)
	for i := range chains {
		chains[i] = []store.Intent{{
			Entity: store.Product, ShopID: from + int64(i), Name: "product", Body: []byte(`{"productname":"iPod Nano","unit_price":"124.58"}`),
			LookupField: "productcode", LookupValue: "demo_1",
		}}
	}
	return chains
}

func done(id, shopID int64) store.Completion {
	crm := fmt.Sprint("6x", id)
	return store.Completion{
		Done:     []store.DoneIntent{{ID: id, CRMID: crm}},
		Links:    []store.Link{{Entity: store.Product, ShopID: shopID, Module: "Products", CRMID: crm, Key: crm}},
		Outcomes: []store.Outcome{{Entity: store.Product, ShopID: shopID, State: store.Created, CRM: crm, Sent: `{"productname":"iPod Nano"}`}},
		Entries:  []store.Entry{{Level: "info", Entity: store.Product, ShopID: shopID, State: store.Created}},
	}
}

// BenchmarkIntend100 is one page of 100 chains, on the disk when it returns.
func BenchmarkIntend100(b *testing.B) {
	s := open(b, file(b))
	from := int64(1)
	for b.Loop() {
		must[[][]int64](b)(s.Intend(b.Context(), page(from)))
		from += 100
	}
}

// BenchmarkComplete is one record's end, link, outcome and log entry; workers at once share transactions.
func BenchmarkComplete(b *testing.B) {
	for _, workers := range []int{1, 8} {
		b.Run(fmt.Sprint(workers, " workers"), func(b *testing.B) {
			s := open(b, file(b))
			type job struct{ id, shopID int64 }
			jobs := make(chan job)
			var wait sync.WaitGroup
			for range workers {
				wait.Go(func() {
					for j := range jobs {
						check(b, s.Complete(b.Context(), done(j.id, j.shopID)))
					}
				})
			}
			var ids []job
			from := int64(1)
			for b.Loop() {
				if len(ids) == 0 {
					b.StopTimer()
					for i, chain := range must[[][]int64](b)(s.Intend(b.Context(), page(from))) {
						ids = append(ids, job{chain[0], from + int64(i)})
					}
					from += 100
					b.StartTimer()
				}
				jobs <- ids[0]
				ids = ids[1:]
			}
			close(jobs)
			wait.Wait()
		})
	}
}

func BenchmarkLink(b *testing.B) {
	s := open(b, file(b))
	check(b, s.SaveLinks(b.Context(), []store.Link{{Entity: store.Product, ShopID: 1, Module: "Products", CRMID: "6x1"}}))
	for b.Loop() {
		if _, found, err := s.Link(b.Context(), store.Product, 1, "Products"); !found || err != nil {
			b.Fatal(err)
		}
	}
}
