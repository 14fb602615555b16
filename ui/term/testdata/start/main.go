// Command start imports the console and ends: a test measures how long the package inits take.
package main

import (
	"fmt"

	_ "cartiger/ui/console"
)

func main() { fmt.Println("started") }
