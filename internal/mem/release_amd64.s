//go:build !explore && !race

#include "textflag.h"

TEXT ·storeRelease32(SB), NOSPLIT, $0-12
	MOVQ p+0(FP), AX
	MOVL x+8(FP), BX
	MOVL BX, (AX)
	RET

TEXT ·storeRelease64(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), AX
	MOVQ x+8(FP), BX
	MOVQ BX, (AX)
	RET
