package sorry_test

import (
	"fmt"
	"io"
	"net"

	"github.com/shunt-lb/shunt/sorry"
)

// A dataplane hands over the connections it has accepted.
func Example() {
	s := sorry.New(sorry.Options{})
	defer s.Close()
	if err := s.Set("tcp 192.0.2.1:25", sorry.Site{Protocol: "smtp"}); err != nil {
		fmt.Println(err)
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			s.ServeConn("tcp 192.0.2.1:25", c)
		}
	}()

	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	answer, err := io.ReadAll(c)
	fmt.Printf("%q %v\n", answer, err)
	// Output: "421 [127.0.0.1] Service not available, closing transmission channel\r\n" <nil>
}
