// Package config reads ldirectord.cf: a file in, a validated Config out, or
// every error of the file at once, each with file, line, column, the line
// itself and a hint.
//
// Inheritance is resolved on the way: a Virtual holds the values in force for
// it, and Origins tell where each of them came from.
package config
