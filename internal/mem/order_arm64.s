#include "textflag.h"

TEXT ·Fence(SB), NOSPLIT, $0-0
	DMB $0xb // ISH
	RET

TEXT ·LoadFence(SB), NOSPLIT, $0-0
	DMB $0x9 // ISHLD
	RET

TEXT ·StoreFence(SB), NOSPLIT, $0-0
	DMB $0xa // ISHST
	RET

TEXT ·Pause(SB), NOSPLIT, $0-4
	MOVWU n+0(FP), R0
	CBZ   R0, done
again:
	YIELD
	SUB  $1, R0, R0
	CBNZ R0, again
done:
	RET
