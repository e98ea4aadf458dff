package main

// Run is the command without its flags.
var Run = run
