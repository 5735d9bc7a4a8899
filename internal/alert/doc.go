// Package alert sends the mails of the emailalert directives, and events to
// webhooks.
//
// A mail says that the table of a virtual service changed. Subject and body
// have the layout of ldirectord's mails, because people filter by it. Mails go
// through a relay, or through the local mail program if there is none.
//
// An event for a webhook is posted by [Post], in whatever queue the caller has.
//
// Sending never holds up who sends: mails wait in a bounded queue, one worker
// delivers them, and neither a dead relay nor a hanging mail program takes
// more than half a minute of its time. What a relay says costs no more memory
// than a relay has to say.
package alert
