package main

func work(o *options) error                 { return nil }
func runWorkers(o *options, t *tally) error { return nil }
