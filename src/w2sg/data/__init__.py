"""w2sg.data"""
