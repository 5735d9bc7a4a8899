// Package schema has the JSON Schema (draft 2020-12) of the API's answers.
package schema

import _ "embed"

// Version is that of the API, the 1 of /api/v1. Within a version fields are added, and
// none changes its meaning or goes: who reads an answer passes over what it does not know.
const Version = 1

// V1 is the schema of version 1. Its $defs are the answers by the last part of their
// path: status, history, orders, explain, reload, events, connections, and error for all
// that are not the ones asked for. It is generated from the types; see the package's test.
//
//go:embed v1.json
var V1 []byte
