package store

import (
	"context"
	"database/sql"
)

type pair struct{ name, value string }

func scanPair(rows *sql.Rows, p *pair) error { return rows.Scan(&p.name, &p.value) }

// Settings gives every saved setting by name. Keys and passwords are among them and nowhere else.
func (s *Store) Settings(ctx context.Context) (map[string]string, error) {
	pairs, err := read(ctx, s, scanPair, "SELECT name, value FROM settings")
	if err != nil {
		return nil, err
	}
	set := make(map[string]string, len(pairs))
	for _, p := range pairs {
		set[p.name] = p.value
	}
	return set, nil
}

// SaveSettings removes the unset names and sets the others, all or nothing.
func (s *Store) SaveSettings(ctx context.Context, set map[string]string, unset []string) error {
	return s.write(ctx, "settings", full, func(ctx context.Context, tx *sql.Tx) error {
		for _, name := range unset {
			if _, err := tx.ExecContext(ctx, "DELETE FROM settings WHERE name = ?", name); err != nil {
				return err
			}
		}
		for name, value := range set {
			if _, err := tx.ExecContext(ctx, `INSERT INTO settings (name, value) VALUES (?, ?)
				ON CONFLICT DO UPDATE SET value = excluded.value`, name, value); err != nil {
				return err
			}
		}
		return nil
	})
}

// Defaults gives the values for mandatory CRM fields, by module and field.
func (s *Store) Defaults(ctx context.Context) ([]Default, error) {
	return read(ctx, s, func(rows *sql.Rows, d *Default) error {
		return rows.Scan(&d.Module, &d.Field, &d.Value, &d.Label)
	}, "SELECT module, field, value, label FROM defaults ORDER BY module, field")
}

// SetDefault sets the default of one field.
func (s *Store) SetDefault(ctx context.Context, d Default) error {
	return s.exec(ctx, "settings", full, `INSERT INTO defaults (module, field, value, label) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET value = excluded.value, label = excluded.label`, d.Module, d.Field, d.Value, d.Label)
}

// UnsetDefault takes the default of one field away.
func (s *Store) UnsetDefault(ctx context.Context, module, field string) error {
	return s.exec(ctx, "settings", full, "DELETE FROM defaults WHERE module = ? AND field = ?", module, field)
}

// CurrencyLinks gives the currency table, by CRM id.
func (s *Store) CurrencyLinks(ctx context.Context) ([]CurrencyLink, error) {
	return read(ctx, s, func(rows *sql.Rows, l *CurrencyLink) error {
		return rows.Scan(&l.CRMID, &l.ShopID, &l.Code, &l.By)
	}, "SELECT crm_id, shop_id, code, made_by FROM currency_links ORDER BY crm_id")
}

// SaveCurrencyLinks removes the links of the given CRM currencies, then sets the others, all or nothing.
// A link made by hand is not replaced by an automatic one unless it is removed in the same call.
func (s *Store) SaveCurrencyLinks(ctx context.Context, set []CurrencyLink, removeCRMIDs []string) error {
	return s.write(ctx, "settings", full, func(ctx context.Context, tx *sql.Tx) error {
		for _, id := range removeCRMIDs {
			if _, err := tx.ExecContext(ctx, "DELETE FROM currency_links WHERE crm_id = ?", id); err != nil {
				return err
			}
		}
		for _, l := range set {
			if _, err := tx.ExecContext(ctx, `INSERT INTO currency_links (crm_id, shop_id, code, made_by) VALUES (?, ?, ?, ?)
				ON CONFLICT DO UPDATE SET shop_id = excluded.shop_id, code = excluded.code, made_by = excluded.made_by
				WHERE NOT (made_by = 'hand' AND excluded.made_by = 'auto')`, l.CRMID, l.ShopID, l.Code, l.By); err != nil {
				return err
			}
		}
		return nil
	})
}

// StateMaps gives the order states whose mapping a person has set.
func (s *Store) StateMaps(ctx context.Context) ([]StateMap, error) {
	return read(ctx, s, func(rows *sql.Rows, m *StateMap) error {
		return rows.Scan(&m.ShopState, &m.SOStatus, &m.InvoiceStatus)
	}, "SELECT shop_state, so_status, invoice_status FROM state_maps ORDER BY shop_state")
}

// SaveStateMaps sets mappings; one with both values empty goes back to the built-in default.
func (s *Store) SaveStateMaps(ctx context.Context, maps []StateMap) error {
	return s.write(ctx, "settings", full, func(ctx context.Context, tx *sql.Tx) error {
		for _, m := range maps {
			query, args := `INSERT INTO state_maps (shop_state, so_status, invoice_status) VALUES (?, ?, ?)
				ON CONFLICT DO UPDATE SET so_status = excluded.so_status, invoice_status = excluded.invoice_status`,
				[]any{m.ShopState, m.SOStatus, m.InvoiceStatus}
			if m.SOStatus == "" && m.InvoiceStatus == "" {
				query, args = "DELETE FROM state_maps WHERE shop_state = ?", []any{m.ShopState}
			}
			if _, err := tx.ExecContext(ctx, query, args...); err != nil {
				return err
			}
		}
		return nil
	})
}
