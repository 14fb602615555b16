package console

import (
	"context"
	"os"
)

func runPlain(ctx context.Context, a *app, o Options, signals chan os.Signal) error { return nil }
