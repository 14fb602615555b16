// Cartiger keeps a vtiger CRM in step with a PrestaShop shop.
package main

import (
	"os"

	"cartiger/ui/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
