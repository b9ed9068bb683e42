package engine

// What has been thrown at servers of this kind, and what answers it here: a field of Limits, a Rule, or how the thing is built.
// Behind the bar are the tests that fail if it does not, where there are some of its own; TestRulesEnd and the seeded
// simulations are about all rules. Behind a second bar is what "wsbench attack -rule" throws at a running server of it,
// which CI does. Nothing that is counted costs more for more open streams.
//
// Before there is a connection
//
//	connection flood             Limits.Connections, ConnectionsAddr: reset when accepted | TestAdmission
//	                             TestConnectionsAreCounted | connections/*
//	descriptors run out          accepting pauses and goes on | TestDescriptorsRunOut
//	half TLS handshakes          TLSHandshakes, TLSHandshakeTimeout | TestTLSHalfHandshakes | tls/half-handshakes
//	octet by octet, no preface   PrefaceTimeout, from accepting to the first SETTINGS | TestForeignSilence
//	                             TestDeadlineOfEachStage | preface/slowloris
//	no first SETTINGS            the same | TestDeadlineOfEachStage | preface/settings-missing preface/no-settings
//	SETTINGS never acknowledged  SettingsTimeout; limits hold before | TestUnacknowledgedSettings | settings_ack/missing
//	octets that are no HTTP      one read: HTTP/1.1 gets its answer, anything else ends | TestForeignOctets
//	                             TestForeignRandomOctets | preface/http-1 preface/zeros preface/random
//	                             preface/wrong-last-octet
//	HTTP/1.1 connections         HTTPConnections, HeaderTimeout, IdleTimeout | TestHTTP1TooMany TestHTTP1Slow
//	connections without streams  IdleTimeout | TestNoDeadlineIsMissedOrEarly
//	peers that vanish            PING after PingInterval, and PingTimeout for any octet: RuleSilence |
//	                             TestNoDeadlineIsMissedOrEarly TestPingKeepsConnection
//
// Frames
//
//	frame too long               judged by its header, no octet of the payload is kept | TestTranscripts |
//	                             size/above-limit size/16777215
//	unknown types                skipped as they come: RuleGlitch, RuleOverhead | TestRulesEnd | glitch/unknown-types
//	                             glitch/all-types overhead/unknown-16-KiB
//	length that its type forbids a table comes before everything else | TestCheckTable | size/ping-7 size/mismatched
//	                             fault/priority-of-4-octets
//	frames on idle streams       connection error, as RFC 9113 §5.1 has it | TestTranscripts
//	frames on closed streams     no state is kept for any but the last 64 that we reset: RuleGlitch |
//	                             TestFramesOnManyClosedStreams | closed/window-update closed/reset fault/data-behind-end
//	DATA nobody wants            and padding: the connection's credit is returned on receipt, whatever becomes of it |
//	                             TestUnwantedDataIsCredited | closed/data
//	window exceeded              stream or connection error; StreamWindow, ConnWindow | TestStreamWindowExceeded
//	                             TestConnectionWindowExceeded
//	empty DATA                   RuleEmpty; nothing is kept | TestRulesEnd | empty/*
//	tiny DATA                    valid messages are not counted; parts of messages are: AssemblySize |
//	                             TestRulesSpareTinyMessages TestAssemblyLimit | message/tiny-and-valid
//	                             message/1-octet-data message/half-on-each
//	bursts of tiny messages      who reads the answers gets all of them: a read goes on when they are sent, in portions of
//	                             half a queue | TestBurstIsAnswered TestBurstIsBoundedWork TestBurstOfOneThatLags |
//	                             message/tiny-burst
//	PING flood                   RulePing; unread answers stop reading: ControlSize | TestRulesEnd TestPeerThatOnlyAsks |
//	                             ping/* glitch/ping-acks
//	SETTINGS flood               RuleSettings: frames, and 32 parameters in each | TestRulesEnd
//	                             TestSettingsWithManyParameters | settings/flood settings/unread settings/many-entries
//	INITIAL_WINDOW_SIZE churn    no stream is visited: a base and deltas | TestInitialWindowSizeVisitsNobody
//	                             BenchmarkSettings | settings/window-churn
//	HEADER_TABLE_SIZE 2^32-1     responses use no dynamic table | TestTranscripts | hpack/table-2^32-1
//	MAX_FRAME_SIZE 0 or 2^24     range check; frames of ours are 16 KiB at most | TestSettingCheck
//	                             TestLargePeerFramesAreNotUsed | settings/frame-size-0 settings/frame-size-2^24
//	MAX_HEADER_LIST_SIZE 0       no size of an allocation; answers to handshakes are small and constant |
//	                             TestServingLargeFields | hpack/list-size-0
//	PRIORITY, PRIORITY_UPDATE    no tree, nothing is read: RuleGlitch | TestRulesEnd TestAllocsControl | priority/*
//	WINDOW_UPDATE flood          RuleWindowUpdate | TestRulesEnd TestRulesSpareEagerCredit | window_update/*
//	WINDOW_UPDATE 0, overflow    on a stream RST_STREAM, RuleFault; on the connection it ends | TestRulesEnd
//	                             TestTranscripts | fault/window-update-0 fault/window-overflow connections/overflow
//	GOAWAY flood                 RuleGlitch, RuleOverhead; no budget is given up by a GOAWAY | TestAbuseBehindGoAway
//	any mixture of these         each frame that carries nothing has a rule, and its octets RuleOverhead; a read is 64
//	                             KiB, and less where that takes long, then the others have their turn | TestReadsAreFair |
//	                             overhead/mixed
//	answers never read           ControlSize stops reading, WriteTimeout ends it | TestPeerThatOnlyAsks | ping/unread
//	                             settings/unread overhead/mixed-unread
//	octets behind our GOAWAY     discarded unparsed, for a second | TestNothingIsSaidBehindTheLastGoAway
//	                             TestPeerThatOnlyTalks | preface/garbage-behind-error
//
// Streams
//
//	rapid reset                  RuleReset counts those that are young; a slot of a handler is free when it has returned,
//	                             and deferred handshakes are as bounded | TestRulesEnd TestHTTPRapidReset
//	                             TestDeferIsBounded | reset/*
//	resets that we must send     RuleFault (MadeYouReset), whatever the primitive, also behind the peer's GOAWAY |
//	                             TestRulesEnd TestAbuseBehindGoAway | fault/*
//	neighbours of a reset flood  a reset is as much work as opening the stream was; reads are shared as above |
//	                             TestReadsAreFair | reset/500-by-500
//	beyond MAX_CONCURRENT        REFUSED_STREAM; RuleRefused | TestManyTooMany TestRulesEnd | refused/beyond-limit
//	storm of opens               those that stay are served at once: a thousand cost a millisecond; RuleOpen slows churn
//	                             down | TestRulesSpareTrunks TestChurnIsSlowedAndServed | open/storm open/churn
//	stream ids used up           GOAWAY before they are | TestLastStreamIDs | open/last-ids
//	ids that go back             connection error | TestTranscripts
//	HEADERS on a WebSocket       stream error: RuleFault | TestTranscripts | fault/fields-without-end
//	plain requests               RulePlain refuses them, CONNECT of other protocols is 501: RuleOpen; with Server.HTTP:
//	                             Requests, RequestsConn, RequestSize, RequestTimeout | TestPlainRequestsAreRefused
//	                             TestServingSlots | plain/*
//	decisions never made         HandshakeTimeout, PendingHandshakes | TestDeferTimeout TestDeferIsBoundedByServer
//	cross-site WebSockets        same origin unless the application says otherwise | TestSameOrigin
//	:protocol, :authority misused 400 or 501; the protocol's name in any case. Which names are the server's the
//	                             application knows: OnHandshake | TestTranscripts TestMalformedRequests
//
// Field blocks
//
//	CONTINUATION flood           Continuations, HeaderBlockSize, HeaderTimeout: RuleFieldBlock | TestTranscripts |
//	                             field_block/continuations field_block/tiny-continuations field_block/unfinished
//	empty CONTINUATION, HEADERS  the first of the one, RuleEmpty for the other | TestTranscripts TestEmptyHeaders |
//	                             field_block/empty-continuations
//	HPACK bombs, by size         Header.ListSize, ListSizeMax, as decoded | TestBombs | field_block/large-value-bomb
//	HPACK bombs, by number       Header.Fields, FieldsMax, each part of a cookie | TestBombs | field_block/cookie-bomb
//	fields kept for long         nothing of a request outlives the decision | TestResetLetsGoOfEveryString
//	                             TestIdleSocketSize | fields/retained
//	decompression and churn      RuleFields: octets a second | TestFieldsAreSlowed | fields/churn
//	bad HPACK                    connection error; in step whatever is refused | TestBlocksThatDoNotDecode
//	                             TestFieldBlocksStayInStep | hpack/*
//	malformed requests           RST_STREAM: RuleFault; handshakes with wrong fields 400: RuleOpen, RuleFields |
//	                             TestMalformedRequests | fault/malformed
//	side channels of compression responses have no dynamic table, and messages are not compressed | by design
//
// WebSockets
//
//	endless fragments            1,024 to a message, empty ones too; MessageTimeout | TestFragmentsDefault
//	                             TestIncompleteMessages | message/endless message/1-octet-fragments
//	                             message/0-octet-fragments
//	huge messages                MessageSize, before anything is allocated | TestTooBigAllocatesNothing |
//	                             message/2^63-1-octets message/2^63-octets message/2^64-1-octets message/2^40-octets
//	headers that drip            14 octets of state; MessageTimeout; one list a loop | TestIncompleteMessages
//	                             TestManyIncompleteMessages | message/unfinished
//	protocol violations          1002 and 1007, at the first octet that shows it | TestBadFrames TestTextFailsFast
//	                             TestCloseCodesFromPeer
//	ping flood                   one pong waits; RuleSocketPing closes the socket | TestSocketPingsAreCoalesced
//	                             TestSocketPingFlood | socket_ping/*
//	deflate bombs                there is no compression: a frame that says it is compressed is 1002 | TestBadFrames |
//	                             message/compressed
//
// Peers that do not read
//
//	streams without window       ws.QueueLimits bound what waits, StreamTimeout for how long | TestStarvedStream
//	                             TestSocketWithoutWindow | stream_stall/held
//	window octet by octet        less than 1 KiB is not sent unless it ends a message, and moves no deadline |
//	                             TestNoDribble TestStarvedStream | stream_stall/dribble
//	socket that takes nothing    one gather waits; WriteTimeout: RuleStall | TestPeerThatDoesNotRead TestStallOfAWindow |
//	                             stall/unread-echoes
//	socket that takes too little the same: 1 KiB in WriteTimeout. A higher rate would end slow lines, and what waits for
//	                             them is bounded | TestStallMovesWithProgress
//	topics with such members     a connection is a position in a log: LogSize | TestTopicOfAPeerThatDoesNotRead
//	all of them together         MemorySize: Overload | TestOverloadRefusesStreams TestMemoryHeldIsTheHeap
//
// Trouble of our own
//
//	callbacks that panic         1011, and the loop lives | TestPanics
//	callbacks that block         BlockTime: logged with the stack; deadlines do not count the time | TestBlockedLoop
//	                             TestClock
//	a trunk that is lost         4,096 streams or messages a turn | TestManySocketsLostAtOnce TestTurnsOfALoss
//	a machine that sleeps        as a callback that blocks | TestClock TestStarvedLoop
//	SIGTERM under load           Shutdown: what was accepted precedes the Close | TestShutdownUnderLoad TestSIGTERMUnderLoad
//
// The kernel and the network
//
//	EAGAIN, EINTR, short reads   and writes, and events of nothing, at every call: the same is said | TestFaultsOnce
//	                             TestFaultsAlways
//	calls that fail for good     that connection ends, and nothing is left of it | TestFaultsFatal TestFaultsBegin
//	accept that fails            accepting goes on, unless the listener is none | TestFaultsAccept TestDescriptorsRunOut
//	cut behind any octet         sockets are closed once, nothing is delivered in part | TestTranscriptsCut TestFaultsCut
//	                             TestCutAtEveryOctet
//	bad, slow and broken paths   nothing is changed or lost | TestBadPaths TestPathsThatEnd TestPathThatFlaps
//	half-open and stalled ones   PingTimeout: RuleSilence; WriteTimeout: RuleStall | TestSilentPaths TestStalledPath TestHalfOpen
