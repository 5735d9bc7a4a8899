// Package sysctl knows the kernel's settings that virtual services need: which
// they are is a pure function of the services, so that an operator can be told
// before anything goes wrong.
package sysctl
