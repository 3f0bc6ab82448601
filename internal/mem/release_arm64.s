//go:build !explore && !race

#include "textflag.h"

TEXT ·storeRelease32(SB), NOSPLIT, $0-12
	MOVD  p+0(FP), R0
	MOVWU x+8(FP), R1
	STLRW R1, (R0)
	RET

TEXT ·storeRelease64(SB), NOSPLIT, $0-16
	MOVD p+0(FP), R0
	MOVD x+8(FP), R1
	STLR R1, (R0)
	RET
