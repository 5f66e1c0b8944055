"""w2sg.forecast"""
