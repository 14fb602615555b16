package engine

import "context"

func (w *work) exportOrders(ctx context.Context, o ExportOptions, carry carrier) error { return nil }
