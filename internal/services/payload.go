package services

import (
	"encoding/hex"
	"errors"
	"strings"
)

// Payload returns the datagram that `request` of a service with Datagram stands
// for: hexadecimal digits, two for each byte, between which blanks and colons
// may stand, or any text behind "text:", in which the two characters \n stand
// for a newline. A slash in front is not part of it.
func Payload(request string) ([]byte, error) {
	request = strings.TrimPrefix(request, "/")
	if text, ok := strings.CutPrefix(request, "text:"); ok {
		return []byte(strings.ReplaceAll(text, `\n`, "\n")), nil
	}
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", ":", "").Replace(request))
	switch {
	case err != nil:
		return nil, errors.New("it does not begin with text: and is not hexadecimal")
	case len(b) == 0:
		return nil, errors.New("it is empty: nothing would be sent")
	}
	return b, nil
}
