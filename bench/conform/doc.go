// Package conform tells how well a server keeps to RFC 8441 and RFC 6455: it runs dialogues with any server
// that echoes WebSocket messages over HTTP/2, each about one rule, over a connection of its own.
//
// A Case is a row of a table: its name, the section it is written from, and the steps of the dialogue. Steps
// say octets, right or wrong (the package raw sends anything), and state what must come back. A dialogue
// judges every frame of the server besides, whatever the case is about: frames that are masked, text that is
// not UTF-8, more than a window, a message after Close fail the case in which they are seen.
//
// What came is Strict if it is what the RFCs ask for, MUST and SHOULD, Lenient if the RFCs let it pass, and
// Failed otherwise. Nothing is concluded from silence where an answer can be asked for: behind what must be
// ignored comes a message or a PING that is not.
package conform
