package cli

import (
	"github.com/spf13/cobra"
)

func (p *Program) bundleCommand() *cobra.Command { return &cobra.Command{Use: "support-bundle FILE"} }
