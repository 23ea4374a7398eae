#!/usr/bin/env node
import { enableCompileCache } from "node:module"

// Before anything else is loaded: compiled code from the last run halves the start.
enableCompileCache()
const { main } = await import("./main.ts")
main()
