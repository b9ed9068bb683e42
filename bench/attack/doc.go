// Package attack throws at a server of WebSockets over HTTP/2 what has brought servers of its kind down, and tells
// how it fared: what it did about it and after how long, what that cost it in memory and CPU, whether the memory came
// back, and what a bystander noticed, a connection that minds its own business and echoes every millisecond.
//
// An attack passes if the server did what is wanted of it, and is none the worse for it: its memory was bounded and is
// free again, and the bystander waited no more than three times as long as in quiet times. What the machine makes
// everybody wait for is not held against the server: a second bystander, at a server that is not attacked, sees it too.
//
// It is for servers on this machine: Run refuses every address that is not on the loopback. All attacks are bounded in
// count and time.
package attack
