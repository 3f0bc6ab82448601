#include "textflag.h"

// x86-64 is TSO: an ordinary store is a release store, loads are acquire
// loads, and only a store followed by a load needs a barrier.

TEXT ·Fence(SB), NOSPLIT, $0-0
	LOCK
	ADDL $0, 0(SP)
	RET

TEXT ·LoadFence(SB), NOSPLIT, $0-0
	RET

TEXT ·Pause(SB), NOSPLIT, $0-4
	MOVL n+0(FP), CX
	TESTL CX, CX
	JZ   done
again:
	PAUSE
	DECL CX
	JNZ  again
done:
	RET
