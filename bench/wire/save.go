package wire

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// Save writes every packet into a pcapng file with nanoseconds. Each link is
// two interfaces, "director:eth0 in" and "director:eth0 out", so that what one
// link carries both ways can be told apart.
func (o *Observation) Save(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("keep packets: %w", err)
	}
	if err := errors.Join(o.write(f), f.Close()); err != nil {
		return fmt.Errorf("keep packets in %s: %w", file, err)
	}
	return nil
}

// A seen is a frame and the number of the interface it belongs to.
type seen struct {
	frame
	link int
}

func (c *capture) write(w io.Writer) error {
	if len(c.taps) == 0 {
		return errors.New("no link was watched")
	}
	out, err := pcapgo.NewNgWriterInterface(w, c.taps[0].side("in"), pcapgo.NgWriterOptions{
		SectionInfo: pcapgo.NgSectionInfo{Hardware: runtime.GOARCH, OS: runtime.GOOS, Application: "shunt-bench"},
	})
	if err != nil {
		return err
	}
	for i, t := range c.taps {
		// The first came with the writer.
		if i > 0 {
			if _, err := out.AddInterface(t.side("in")); err != nil {
				return err
			}
		}
		if _, err := out.AddInterface(t.side("out")); err != nil {
			return err
		}
	}
	for _, s := range c.inOrder() {
		info := gopacket.CaptureInfo{
			Timestamp: time.Unix(0, s.at), CaptureLength: len(s.data), Length: s.length, InterfaceIndex: s.link,
		}
		if err := out.WritePacket(info, s.data); err != nil {
			return err
		}
	}
	return out.Flush()
}

// side describes one direction of the link.
func (t *tap) side(direction string) pcapgo.NgInterface {
	name := t.String() + " " + direction
	return pcapgo.NgInterface{
		Name: name, Description: name, OS: runtime.GOOS,
		LinkType: layers.LinkTypeEthernet, TimestampResolution: 9,
	}
}

// inOrder returns the frames of all links in order of time.
func (c *capture) inOrder() []seen {
	var all []seen
	for i, t := range c.taps {
		for _, f := range t.frames {
			s := seen{f, 2 * i}
			if (&packet{frame: f}).out() {
				s.link++
			}
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b seen) int { return cmp.Compare(a.at, b.at) })
	return all
}
