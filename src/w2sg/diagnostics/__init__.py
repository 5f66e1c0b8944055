"""w2sg.diagnostics"""
