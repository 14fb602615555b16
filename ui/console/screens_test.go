package console

import (
	"fmt"
	"testing"
	"time"
)

func TestTheScreensLookLikeThis(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {60, 16}} {
		name := fmt.Sprintf("%dx%d", size[0], size[1])
		t.Run(name, func(t *testing.T) {
			sit(t, newFake(), size[0], size[1], func(p *person) {
				p.to("Origin value").golden(name + "/details")
				p.press("enter").golden(name + "/details-cure").press("esc")
				p.press("2").golden(name + "/connection")
				p.press("3").to("Swiss Franc").golden(name + "/configuration")
				p.press("4").golden(name + "/export")
				p.press("e").wait(time.Second).golden(name + "/export-question")
				p.press("y").wait(13 * time.Second).golden(name + "/export-running")
				p.press("a").golden(name + "/activity")
				p.press("?").golden(name + "/keys").press("esc")
				p.press("q").golden(name + "/quit-question").press("y").wait(time.Second)
			})
		})
	}
}
