// Command rookery carries the simulator along.
package main

import _ "rookery/core/client"

func main() {}
