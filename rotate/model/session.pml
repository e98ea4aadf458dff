/* Session authenticates with what the keyring has, and waits at its gate. A refusal is final at the newest generation: so it is on
 * a new connection; on one that lives it is tried again, which the model leaves out.
 */
proctype Session(byte i) {
end:	do
	:: atomic { ses[i] == down && !shut[i] -> with[i] = key[i]; ses[i] = asking }
	:: atomic { ses[i] == asking -> MUST(R1, has(ever, with[i])); ses[i] = (with[i] == srv -> up : refused) }
	:: atomic { ses[i] == refused && !shut[i] && key[i] > with[i] -> with[i] = key[i]; ses[i] = asking }
	:: atomic { ses[i] == refused && !shut[i] && key[i] == with[i] && !(REREAD && (intent != NONE || current > with[i])) ->
		MUST(F32, !CHECK_F32); ses[i] = ended; printf("session %d is refused for good\n", i) }
	:: atomic { ses[i] == refused && REREAD && current > key[i] -> key[i] = current }
	:: atomic { FOLLOW && ses[i] == up && key[i] > with[i] && key[i] == srv -> with[i] = key[i] }
	od
}
