package cli

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/store"
	"cartiger/ui/text"
)

// backupCommand is there because cp is not enough: while others work, the latest writes stand in the write-ahead log.
func (p *Program) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a sound copy of the state file while others work with it",
		Long: `Write a sound copy of the state file while others work with it. The copy holds the keys too and only its owner can
read it. To restore: end every Cartiger, remove state.db, state.db-wal and state.db-shm, copy the backup to state.db.
The links are then compared with the CRM before anything is written.`,
		Example: "  cartiger backup /var/backups/cartiger-$(date +%F).db",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
				if err := e.Store().Backup(ctx, args[0]); err != nil {
					return err
				}
				info, err := os.Stat(args[0])
				if err != nil {
					return err
				}
				if p.json {
					return p.document(map[string]any{"file": args[0], "bytes": info.Size()})
				}
				p.say("%s: %d bytes", text.Clean(args[0]), info.Size())
				return nil
			})
		},
	}
}

// forgetCommand erases what the state file knows of a person. Shop and CRM have their own means for that.
func (p *Program) forgetCommand() *cobra.Command {
	var sure bool
	c := &cobra.Command{
		Use:   "forget EMAIL",
		Short: "Erase one customer from the state file",
		Long: `Erase one customer, named by e-mail address, from the state file: links, outcomes, log lines. The CRM and the shop
stay as they are, and so do the links of the customer's orders. A customer that is still in the shop comes back with
the next change there, and is matched by e-mail. This cannot be undone.`,
		Example: "  cartiger forget anna@example.test",
		RunE: func(cmd *cobra.Command, args []string) error {
			email := strings.TrimSpace(args[0])
			// Half an address would match nobody, and "Erased: 0 links" would be taken for done.
			if !strings.Contains(email, "@") {
				return misuse{&problem.Error{Kind: problem.Invalid, Where: "forget", Field: "email", Message: email + " is not an e-mail address", Cure: "Give the whole address."}}
			}
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
				if !sure {
					if err := p.confirm(ctx, fmt.Sprintf("Erase %s from the state file? This cannot be undone.", text.Clean(email))); err != nil {
						return err
					}
				}
				gone, err := e.Store().Forget(ctx, email)
				if err != nil {
					return err
				}
				return p.forgotten(gone)
			})
		},
	}
	c.Flags().BoolVar(&sure, "yes", false, "do not ask")
	return c
}

// confirm lets a person agree. Only y does; without a terminal nobody can, and what a pipe happens to hold is no
// consent.
func (p *Program) confirm(ctx context.Context, question string) error {
	if !p.isTerminal(p.In) {
		return misuse{&problem.Error{Kind: problem.Invalid, Where: "forget", Field: "yes", Message: "nobody is there to confirm", Cure: "Give --yes."}}
	}
	_, _ = fmt.Fprintf(p.Err, "%s [y/N] ", question)
	answer, err := asker{p: p, in: bufio.NewReader(p.In)}.line(ctx)
	if err != nil {
		return err
	}
	if answer != "y" && answer != "yes" {
		p.note("Nothing was erased.")
		// 0 would tell a script that the customer is gone.
		return ended(exitFailed)
	}
	return nil
}

func (p *Program) forgotten(gone store.Forgotten) error {
	if p.json {
		return p.document(map[string]int64{"links": gone.Links, "outcomes": gone.Outcomes, "log_entries": gone.Entries})
	}
	p.say("Erased: %d links, %d outcomes, %d log lines.", gone.Links, gone.Outcomes, gone.Entries)
	return nil
}
