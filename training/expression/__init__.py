"""Expression recognition: ARBEx, and its distillation into one network (UAR)."""
