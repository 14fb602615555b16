package console

import (
	"fmt"
	"strings"
	"time"

	"cartiger/store"
)

const barWidth = 54

// progress is the bar of a run and its figures.
func (x *exports) progress(a *app, run store.Run, w int) []row {
	// Watch has no end that a bar could come near to.
	if run.Kind == "watch" {
		return []row{{kids: true, line: line{{" " + a.live.watched(run), plain}, {"   " + requests(run), faint}}}}
	}
	done := run.Sum()
	figures := "  " + number(done) + " / " + totalOf(run)
	bw := min(barWidth, w-6-width(figures))
	l := line{{" ", plain}}.and(a.th.bar(bw, done, run.Total)...).and(span{figures, strong})
	bars := row{kids: true, line: l}
	// Here the orders written stay at nothing for a while: without the word it looks stuck.
	if done == 0 && run.State == store.Running && run.Kind == "orders" {
		return []row{bars, {kids: true, line: toned(faint, " what the orders need comes first: products and customers")}}
	}
	words := []string{" created " + number(run.Created)}
	// Updated is left out where it is nothing, as in most exports, and unchanged in a narrow window; held and
	// failed always stand.
	if run.Updated > 0 {
		words = append(words, "updated "+number(run.Updated))
	}
	if w >= fullWidth {
		words = append(words, "unchanged "+number(run.Unchanged))
	}
	c := line{{strings.Join(words, "  "), plain}, {"  held " + number(run.Held), troubleTone(run.Held, warn)}, {"  failed " + number(run.Failed), troubleTone(run.Failed, bad)}}
	var pace, left string
	// Below that the figure would read 0.0, and the end would be days away.
	if speed := a.live.speed(); speed >= 0.05 && run.State == store.Running {
		pace = fmt.Sprintf("   %.0f/s", speed)
		if speed < 10 {
			pace = fmt.Sprintf("   %.1f/s", speed)
		}
		if run.Total > done {
			left = "   ETA " + eta(float64(run.Total-done)/speed)
		}
	}
	if workers := ", " + plural(int64(run.Workers), "worker"); run.Workers > 0 && pace != "" && width(c.String()+pace+workers+left) <= w-2 {
		pace += workers
	}
	return []row{bars, {kids: true, line: c.and(span{pace + left, faint})}}
}

// troubleTone colours a count only when it is one: a red zero is looked at for nothing.
func troubleTone(n int64, t tone) tone {
	if n == 0 {
		return plain
	}
	return t
}

// eta is a number of seconds as people say it.
func eta(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm %02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh %02dm", int(d.Hours()), int(d.Minutes())%60)
}

// shownLevels is the rate of the last seconds as last drawn, at most n of them.
func (l *live) shownLevels(n int) []int64 {
	if l.levels == nil {
		return make([]int64, min(n, keptSeconds))
	}
	return l.levels[max(0, keptSeconds-n):]
}
