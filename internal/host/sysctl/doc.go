// Package sysctl knows the kernel's settings that virtual services need. They are
// a pure function of the services, so that an operator can be warned before
// anything goes wrong.
package sysctl
