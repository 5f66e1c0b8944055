"""w2sg.runs"""
