"""w2sg.gain"""
